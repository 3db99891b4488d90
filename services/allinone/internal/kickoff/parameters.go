package kickoff

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// parameter is one of a Parameters resource.
type parameter struct {
	Name  string
	Type  string          // of the value, as its member is called: valueUrl
	Value string          // see valueText
	Raw   json.RawMessage // the value, of whatever type
	Part  parameters
}

// errNested is returned where a part has parts: no operation has any, and each level would cost all that is in it once more.
var errNested = errors.New("its parts must have no parts")

// read reads a parameter, whatever the type of its value, or a part of one.
func (p *parameter) read(raw json.RawMessage, isPart bool) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	for member, value := range members {
		switch {
		case member == "name":
			if err := json.Unmarshal(value, &p.Name); err != nil {
				return err
			}
		case member == "part" && isPart:
			return errNested
		case member == "part":
			if err := p.readParts(value); err != nil {
				return err
			}
		case strings.HasPrefix(member, "value"):
			p.Type, p.Raw, p.Value = member, value, valueText(value)
		}
	}
	return nil
}

func (p *parameter) readParts(raw json.RawMessage) error {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	p.Part = make(parameters, len(list))
	for i, raw := range list {
		if err := p.Part[i].read(raw, true); err != nil {
			return err
		}
	}
	return nil
}

// valueText is a value that has a simple type, or the reference of one; "" for others, which are nothing that is read
// here.
func valueText(value json.RawMessage) string {
	var text string
	var reference struct {
		Reference string `json:"reference"`
	}
	switch {
	case json.Unmarshal(value, &text) == nil:
		return text
	case json.Unmarshal(value, &reference) == nil:
		return reference.Reference
	case len(value) > 0 && value[0] != '[':
		return string(value) // a number, or true or false
	default:
		return ""
	}
}

type parameters []parameter

func readParameters(list []json.RawMessage) (parameters, error) {
	var all parameters
	for i, raw := range list {
		var p parameter
		err := p.read(raw, false)
		switch {
		case errors.Is(err, errNested):
			return nil, fmt.Errorf("parameter[%d]: %w", i, err)
		case err != nil, p.Name == "":
			return nil, fmt.Errorf("parameter[%d]: must be an object with a name", i)
		}
		all = append(all, p)
	}
	return all, nil
}

func (l parameters) has(name string) bool {
	for _, p := range l {
		if p.Name == name {
			return true
		}
	}
	return false
}

// one is the value of a parameter that may be there once; "" where it is not.
func (l parameters) one(name string) (value string, err error) {
	found := false
	for _, p := range l {
		if p.Name != name {
			continue
		}
		if found || p.Value == "" {
			return "", errors.New(name + ": must be there once, with a value such as valueUrl, valueUri, valueString or valueCode")
		}
		value, found = p.Value, true
	}
	return value, nil
}

// text is the value of the first parameter of a name; "" where there is none.
func (l parameters) text(name string) string {
	for _, p := range l {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// manifestForm is the manifest form in Parameters, as HAPI FHIR takes it.
func (l parameters) manifestForm() (m manifestForm) {
	m.InputFormat, m.InputSource = l.text("inputFormat"), l.text("inputSource")
	for _, p := range l {
		switch p.Name {
		case "input", "inputs":
			m.Input = append(m.Input, input{Type: p.Part.text("type"), ResourceType: p.Part.text("resourceType"), URL: p.Part.text("url")})
		case "storageDetail":
			m.StorageDetail.Type = p.Part.text("type")
		}
	}
	return m
}
