package conformance

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/stoker-fhir/stoker/services/parser/internal/datatest"
)

// stricter are the documents of the suite that are JSON by RFC 8259 and refused on purpose.
var stricter = arguments{
	"y_object_duplicated_key.json":           "refused: RFC 8259, 4: names SHOULD be unique, and what a reader makes of it is unpredictable; jsonb keeps the last value only",
	"y_object_duplicated_key_and_value.json": "refused: RFC 8259, 4: names SHOULD be unique, and what a reader makes of it is unpredictable; jsonb keeps the last value only",
	"y_string_null_escape.json":              `refused: \u0000 cannot be stored in jsonb, and FHIR's strings shall not contain it`,
}

// open are the documents that the suite leaves to the parser, and whether they are accepted
// here. Refused are numbers that PostgreSQL's numeric cannot hold, what is not UTF-8, halves
// of surrogate pairs and what is nested deeper than 128.
var open = map[string]bool{
	"i_number_double_huge_neg_exp.json":                   true,
	"i_number_huge_exp.json":                              false,
	"i_number_neg_int_huge_exp.json":                      true,
	"i_number_pos_double_huge_exp.json":                   true,
	"i_number_real_neg_overflow.json":                     true,
	"i_number_real_pos_overflow.json":                     true,
	"i_number_real_underflow.json":                        true,
	"i_number_too_big_neg_int.json":                       true,
	"i_number_too_big_pos_int.json":                       true,
	"i_number_very_big_negative_int.json":                 true,
	"i_object_key_lone_2nd_surrogate.json":                false,
	"i_string_1st_surrogate_but_2nd_missing.json":         false,
	"i_string_1st_valid_surrogate_2nd_invalid.json":       false,
	"i_string_UTF-16LE_with_BOM.json":                     false,
	"i_string_UTF-8_invalid_sequence.json":                false,
	"i_string_UTF8_surrogate_U+D800.json":                 false,
	"i_string_incomplete_surrogate_and_escape_valid.json": false,
	"i_string_incomplete_surrogate_pair.json":             false,
	"i_string_incomplete_surrogates_escape_valid.json":    false,
	"i_string_invalid_lonely_surrogate.json":              false,
	"i_string_invalid_surrogate.json":                     false,
	"i_string_invalid_utf-8.json":                         false,
	"i_string_inverted_surrogates_U+1D11E.json":           false,
	"i_string_iso_latin_1.json":                           false,
	"i_string_lone_second_surrogate.json":                 false,
	"i_string_lone_utf8_continuation_byte.json":           false,
	"i_string_not_in_unicode_range.json":                  false,
	"i_string_overlong_sequence_2_bytes.json":             false,
	"i_string_overlong_sequence_6_bytes.json":             false,
	"i_string_overlong_sequence_6_bytes_null.json":        false,
	"i_string_truncated-utf-8.json":                       false,
	"i_string_utf16BE_no_BOM.json":                        false,
	"i_string_utf16LE_no_BOM.json":                        false,
	"i_structure_500_nested_arrays.json":                  false,
	"i_structure_UTF-8_BOM_empty_object.json":             false,
}

// parsing runs the parsing tests of https://github.com/nst/JSONTestSuite on the syntax alone:
// y_ must be accepted, n_ refused, of i_ the verdict is ours.
func parsing(r *report) error {
	files, err := datatest.Files("json-parsing")
	if err != nil {
		return err
	}
	reader, err := r.reader()
	if err != nil {
		return err
	}
	for _, file := range files {
		name := filepath.Base(file)
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		doc, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		_, refused := reader.plain.Read(doc, false)
		_, _ = reader.checked.Read(doc, true) // the difference says whether its verdict is another
		if difference := reader.difference(doc); difference != "" {
			r.wrong(name, doc, "%s", difference)
			continue
		}
		wanted := name[0] == 'y'
		if name[0] == 'i' {
			var known bool
			if wanted, known = open[name]; !known {
				r.wrong(name, doc, "has no verdict in the table")
				continue
			}
		}
		difference := ""
		switch {
		case wanted && refused != nil:
			difference = "is refused: " + refused.Error()
		case !wanted && refused == nil:
			difference = "is accepted"
		}
		r.judge(name, stricter, difference)
	}
	return nil
}
