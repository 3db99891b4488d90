// Package group reads who is in a FHIR Group (https://hl7.org/fhir/R4/group.html).
package group
