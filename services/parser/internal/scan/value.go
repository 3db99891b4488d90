package scan

// value scans the value at i and returns the offset behind it. Depth is that of what
// surrounds it.
func (s *Scanner) value(i int, p place, depth int) int {
	switch s.at(i) {
	case '"':
		return s.str(i + 1)
	case '{':
		return s.object(i, p, depth+1)
	case '[':
		return s.array(i, p, depth+1)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number(i)
	default:
		return s.syntax(i, "expected a value")
	}
}

func (s *Scanner) literal(i int, want string) int {
	end := i + len(want)
	if end > len(s.doc) || string(s.doc[i:end]) != want {
		return s.syntax(i, "expected true, false or null")
	}
	return end
}

func (s *Scanner) array(i int, p place, depth int) int {
	if depth > MaxDepth {
		return s.tooDeep(i)
	}
	p = element(p)
	i = s.space(i + 1)
	if s.at(i) == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, p, depth); i == failed {
			return failed
		}
		i = s.space(i)
		switch s.at(i) {
		case ',':
			i = s.space(i + 1)
		case ']':
			return i + 1
		default:
			return s.syntax(i, "expected ',' or ']'")
		}
	}
}

func (s *Scanner) object(i int, p place, depth int) int {
	if depth > MaxDepth {
		return s.tooDeep(i)
	}
	if p == tagItem {
		s.tagged = 0
	}
	seen := seenNames{first: len(s.names)}
	i = s.space(i + 1)
	if s.at(i) == '}' {
		return i + 1
	}
	for {
		if s.at(i) != '"' {
			return s.syntax(i, "expected a name in double quotes")
		}
		nameAt := i
		if i = s.str(i + 1); i == failed {
			return failed
		}
		name := s.note(nameAt+1, i-1)
		var f field
		next := elsewhere
		if p != elsewhere {
			f, next = lookup(p, name)
		}
		if s.repeated(&seen, name) {
			return s.duplicate(nameAt, f, name)
		}
		if i = s.space(i); s.at(i) != ':' {
			return s.syntax(i, "expected ':' after a name")
		}
		start := s.space(i + 1)
		if i = s.value(start, next, depth); i == failed {
			return failed
		}
		if f > known {
			s.found(f, start, i)
		} else if len(name) == len("reference") && string(name) == "reference" {
			s.foundReference(start, i)
		}
		i = s.space(i)
		switch s.at(i) {
		case ',':
			i = s.space(i + 1)
		case '}':
			if p == tagItem && s.tagged == tagSystem|tagCode {
				s.out.Subsetted = true
			}
			if !s.forget(seen) {
				return failed
			}
			return i + 1
		default:
			return s.syntax(i, "expected ',' or '}'")
		}
	}
}

func (s *Scanner) tooDeep(i int) int {
	return s.refuse(i, "structure", "nested too deep: at most 128 objects and arrays within one another")
}
