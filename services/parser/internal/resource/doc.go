// Package resource reads one FHIR resource in one pass over its bytes: it checks that the
// document is JSON that can be stored, picks out what keys and orders the resource, and, where
// that is asked for, checks structure and values against the definitions of FHIR.
//
// There is no tree and no event stream. [Reader] descends through the values with the tokens
// of package lex. Two things tell it where it is: a [place], of which there are a few, for what
// keys a resource; and a frame for each object that is checked, with the type that the
// definitions give it. What can only be said at the end of an object (what is missing, what
// must not be together) is said from a bit for each of its elements. Under what is wrong
// nothing more is checked, so that one mistake makes one issue.
//
// Guarantees: what is accepted as JSON does not depend on whether it is checked; time is linear
// in the document's length, but for the names of objects with more than a few; a resource without
// issues allocates nothing once the buffers have grown; errors and issues never hold content,
// but for names of elements that look like names. Not guaranteed, unless it was checked and has
// no issue of severity error: that the document is a resource, or valid FHIR. What is checked
// is in docs/validation.md.
package resource
