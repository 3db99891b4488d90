package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// entry is an element of a list, of which every member may be of any type.
type entry struct {
	URL          json.RawMessage `json:"url"`
	Type         json.RawMessage `json:"type"`
	ResourceType json.RawMessage `json:"resourceType"`
	Count        json.RawMessage `json:"count"`
	FileSize     json.RawMessage `json:"fileSize"`
	Relation     json.RawMessage `json:"relation"`
}

// member is a member by its name; nil for what does not count.
func (e *entry) member(name string) *json.RawMessage {
	switch name {
	case "url":
		return &e.URL
	case "type":
		return &e.Type
	case "resourceType":
		return &e.ResourceType
	case "count":
		return &e.Count
	case "fileSize":
		return &e.FileSize
	case "relation":
		return &e.Relation
	default:
		return nil
	}
}

// parameter is an element of a Parameters resource, with the types of values that senders use.
type parameter struct {
	Name           string          `json:"name"`
	Part           json.RawMessage `json:"part"`
	ValueString    json.RawMessage `json:"valueString"`
	ValueURL       json.RawMessage `json:"valueUrl"`
	ValueURI       json.RawMessage `json:"valueUri"`
	ValueCanonical json.RawMessage `json:"valueCanonical"`
	ValueCode      json.RawMessage `json:"valueCode"`
	ValueInstant   json.RawMessage `json:"valueInstant"`
	ValueDateTime  json.RawMessage `json:"valueDateTime"`
	ValueBoolean   json.RawMessage `json:"valueBoolean"`
	ValueInteger   json.RawMessage `json:"valueInteger"`
	ValueInteger64 json.RawMessage `json:"valueInteger64"`
	ValueUnsigned  json.RawMessage `json:"valueUnsignedInt"`
	ValuePositive  json.RawMessage `json:"valuePositiveInt"`
	ValueDecimal   json.RawMessage `json:"valueDecimal"`
}

func (p parameter) value() json.RawMessage {
	for _, v := range []json.RawMessage{
		p.ValueString, p.ValueURL, p.ValueURI, p.ValueCanonical, p.ValueCode, p.ValueInstant, p.ValueDateTime,
		p.ValueBoolean, p.ValueInteger, p.ValueInteger64, p.ValueUnsigned, p.ValuePositive, p.ValueDecimal,
	} {
		if v != nil {
			return v
		}
	}
	return nil
}

// maxParts is how many parts of a parameter are read at most.
const maxParts = 100

// parameter takes a parameter as what would be a member, or an element of one, in a manifest.
func (r *reader) parameter(place string) error {
	var p parameter
	if err := decode(r.dec, &p); err != nil {
		return err
	}
	take := r.taker(p.Name)
	if take == nil {
		return r.scalar(p.Name, p.value())
	}
	var e entry
	if p.Part == nil {
		p.Part = json.RawMessage("null")
	}
	parts := reader{dec: json.NewDecoder(bytes.NewReader(p.Part))}
	n := 0
	err := parts.list(place+".part", func(string) error {
		if n++; n > maxParts {
			return fmt.Errorf("%s.part: more than %d", place, maxParts)
		}
		var part parameter
		if err := decode(parts.dec, &part); err != nil {
			return err
		}
		if m := e.member(part.Name); m != nil {
			*m = part.value()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return take(place, e)
}

// text is a string, or another scalar as it is written; "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	var b bool
	switch {
	case json.Unmarshal(raw, &n) == nil:
		return n.String()
	case json.Unmarshal(raw, &b) == nil:
		return strconv.FormatBool(b)
	default:
		return ""
	}
}

// number is a number of things, however it is written; -1 for anything else.
func number(raw json.RawMessage) int64 {
	f, err := strconv.ParseFloat(text(raw), 64)
	if err != nil || f < 0 || f > 1<<53 || f != float64(int64(f)) {
		return -1
	}
	return int64(f)
}
