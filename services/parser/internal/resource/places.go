package resource

import "bytes"

// place is where in a resource a value is, as far as something is looked for in it.
type place uint8

const (
	elsewhere  place = iota
	root             // the resource
	meta             // .meta
	tags             // .meta.tag
	tagItem          // one of them
	parameters       // .parameter
	parameter        // one of them
)

// field is a member that is known at its place. Those after plain are looked for.
type field uint8

const (
	unknown field = iota
	plain
	fieldResourceType
	fieldID
	fieldType
	fieldEntry
	fieldLastUpdated
	fieldTagSystem
	fieldTagCode
	fieldParameterName
)

// lookup returns what the member with a name is, and the place that its value is.
func lookup(p place, name []byte) (field, place) {
	switch p {
	case root:
		switch string(name) {
		case "resourceType":
			return fieldResourceType, elsewhere
		case "id":
			return fieldID, elsewhere
		case "meta":
			return plain, meta
		case "type":
			return fieldType, elsewhere
		case "entry":
			return fieldEntry, elsewhere
		case "parameter":
			return plain, parameters
		}
	case meta:
		switch string(name) {
		case "lastUpdated":
			return fieldLastUpdated, elsewhere
		case "tag":
			return plain, tags
		}
	case tagItem:
		switch string(name) {
		case "system":
			return fieldTagSystem, elsewhere
		case "code":
			return fieldTagCode, elsewhere
		}
	case parameter:
		if string(name) == "name" {
			return fieldParameterName, elsewhere
		}
	}
	return unknown, elsewhere
}

// element returns the place of an array's elements.
func element(p place) place {
	switch p {
	case tags:
		return tagItem
	case parameters:
		return parameter
	default:
		return elsewhere
	}
}

// tag is what an element of meta.tag has of the SUBSETTED tag
// (https://hl7.org/fhir/R4/resource.html#simple-tags).
type tag uint8

const (
	tagSystem tag = 1 << iota
	tagCode
)

const (
	subsetted             = "SUBSETTED"
	observationValue      = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
	observationValueSTU3  = "http://hl7.org/fhir/v3/ObservationValue"
	organizeOutputByParam = "header" // of the Parameters that head a block of organizeOutputBy
)

// found keeps the value Doc[start:end], just read, of a field.
func (r *Reader) found(f field, start, end int) {
	v := r.Value(start, end)
	switch f {
	case fieldResourceType:
		r.out.ResourceType = v
	case fieldID:
		r.out.ID = v
	case fieldType:
		r.out.Type = v
	case fieldEntry:
		r.out.Entry = v
	case fieldLastUpdated:
		r.out.LastUpdated = v
	case fieldTagSystem:
		if string(v.Text) == observationValue || string(v.Text) == observationValueSTU3 {
			r.tagged |= tagSystem
		}
	case fieldTagCode:
		if string(v.Text) == subsetted {
			r.tagged |= tagCode
		}
	case fieldParameterName:
		if string(v.Text) == organizeOutputByParam {
			r.out.Header = true
		}
	}
}

var urnPrefix = []byte("urn:")

// foundReference keeps the value of a member named reference if it is a URN.
func (r *Reader) foundReference(start, end int) {
	if r.Doc[start] != '"' || !r.Escaped && !bytes.HasPrefix(r.Doc[start+1:end], urnPrefix) {
		return
	}
	if v := r.Value(start, end); bytes.HasPrefix(v.Text, urnPrefix) {
		r.out.URNs = append(r.out.URNs, v)
	}
}
