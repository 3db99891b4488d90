package invariant

// A path is a list of names of elements below a value, through arrays as in FHIRPath. That
// of a choice ends in [x].

// exists reports whether there is anything at a path: a value, or a companion only.
func exists(doc []byte, at int, path ...string) bool {
	for e := range elements(doc, at) {
		if len(path) == 0 {
			return true
		}
		for name, v := range members(doc, e) {
			if len(path) == 1 && len(name) > 0 && name[0] == '_' {
				name = name[1:]
			}
			if named(name, path[0]) && exists(doc, v, path[1:]...) {
				return true
			}
		}
	}
	return false
}

// all reports whether a condition holds for each value at a path.
func all(doc []byte, at int, f func(doc []byte, at int) bool, path ...string) bool {
	for e := range elements(doc, at) {
		if len(path) == 0 {
			if !f(doc, e) {
				return false
			}
			continue
		}
		for name, v := range members(doc, e) {
			if named(name, path[0]) && !all(doc, v, f, path[1:]...) {
				return false
			}
		}
	}
	return true
}

// named reports whether a member is of an element. A choice is followed by its type, which
// begins with a capital letter.
func named(name []byte, element string) bool {
	n := len(element) - len("[x]")
	if n <= 0 || element[n:] != "[x]" {
		return string(name) == element
	}
	return len(name) > n && string(name[:n]) == element[:n] && name[n] >= 'A' && name[n] <= 'Z'
}

// first returns the first element of an array, or -1.
func first(doc []byte, at int) int {
	for e := range elements(doc, at) {
		return e
	}
	return -1
}

// count counts the elements of an array, up to a limit.
func count(doc []byte, at, limit int) int {
	n := 0
	for range elements(doc, at) {
		if n++; n == limit {
			break
		}
	}
	return n
}

// equals compares the value of an object's member, as text.
func equals(doc []byte, at int, name string, texts ...string) bool {
	v := member(doc, at, name)
	return v >= 0 && isOneOf(text(doc, v), texts)
}

func hasCoding(doc []byte, concept int, system string, codes []string) bool {
	for c := range elements(doc, concept) {
		for coding := range elements(doc, member(doc, c, "coding")) {
			if equals(doc, coding, "code", codes...) && equals(doc, coding, "system", system) {
				return true
			}
		}
	}
	return false
}
