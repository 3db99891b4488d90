// Package fhirservertest is a FHIR server for tests that offers no bulk export, over real HTTP: it is read by id, searched, and
// asked for Patient/[id]/$everything and for its history. Pages follow each other by opaque links. What goes wrong with such
// servers are switches: [Options], and what [exporttest.Recorder] has.
//
// Its resources are those of package exporttest, so that both servers can have the same.
package fhirservertest
