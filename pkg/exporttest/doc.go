// Package exporttest is a FHIR server for tests that does nothing but bulk exports ($export, Bulk Data Access IG), over
// real HTTP. What differs between the versions of the specification and between servers, and what goes wrong with
// them, are switches: [Options], [Recorder.Next], [Server.Expire], [Server.Halt] and [Recorder.Stall].
//
// Its content may change from day to day: [Server.Pass].
//
// It holds requests to what the specification demands of clients, whatever is switched: a request that a strict
// server would refuse is answered with 400.
package exporttest
