package fhirdef

// Kind is what a type's values are in JSON, and how they are checked.
type Kind uint8

// Kinds of types. Those up to Object are JSON objects, the others primitive types
// (https://hl7.org/fhir/R4/datatypes.html#primitive).
const (
	Resource    Kind = iota // one type of resource
	AnyResource             // an object that says by resourceType which one it is
	Object                  // a complex data type, or a backbone element
	Base64Binary
	Boolean
	Canonical
	Code
	Date
	DateTime
	Decimal
	ID
	Instant
	Integer
	Markdown
	OID
	PositiveInt
	String
	Time
	UnsignedInt
	URI
	URL
	UUID
	XHTML
)

// IsPrimitive reports whether values are JSON strings, numbers or booleans.
func (k Kind) IsPrimitive() bool { return k > Object }

// Definitions are the types of one version of FHIR. They are shared by all goroutines and
// never change.
type Definitions struct {
	Version  string  // of FHIR: 4.0.1
	Source   string  // the package that they are from: hl7.fhir.r4.core#4.0.1
	Checksum string  // of the table, in hex: what an import pins
	Types    []*Type // each at its ID; resources first, sorted by name

	resources nameTable[Type]
	byName    map[string]*Type
	valueSets map[string]*ValueSet
}

// Resource returns a type of resource by its name, or nil. Abstract ones are not found.
func (d *Definitions) Resource(name []byte) *Type { return d.resources.find(name) }

// Type returns a type by its name, such as Patient, HumanName, Patient.contact or dateTime,
// or nil.
func (d *Definitions) Type(name string) *Type { return d.byName[name] }

// ValueSet returns the set of a required binding by its URL without version, or nil.
func (d *Definitions) ValueSet(url string) *ValueSet { return d.valueSets[url] }

// MaxElements is the greatest number of elements of a type: they fit the bits of a word.
const MaxElements = 64

// Type is the structure of an object, or a primitive type.
type Type struct {
	ID          int
	Name        string // Patient, HumanName, Patient.contact, dateTime
	Kind        Kind
	Elements    []*Element // each at its Index; first those of the supertype, which its subtypes share
	Required    uint64     // of the elements, by Index, those that must be there
	Constraints []Constraint

	members nameTable[Member]
}

// Member returns what a member of the type's objects is by its name in JSON, without the
// underscore of a companion, or nil. resourceType is not among them.
func (t *Type) Member(name []byte) *Member { return t.members.find(name) }

// Names returns the names of all members, in the order of the definition. The slice must not
// be changed.
func (t *Type) Names() []string { return t.members.names() }

// Element is one element of a type.
type Element struct {
	Name    string // deceased, without [x]
	Index   int
	Min     int
	Repeats bool // an array in JSON
	Choice  bool // [x]: the names in JSON end in the type
	Types   []*Type
	Binding *ValueSet  // that a code must be of (required bindings only)
	Targets *TargetSet // that a Reference or canonical may have; nil is any
	Simple  bool       // a SimpleQuantity: without comparator (constraint sqty-1)
}

// Member is one name under which an element occurs in JSON.
type Member struct {
	Name    string // deceasedDateTime
	Element *Element
	Type    *Type
}

// Constraint is an invariant of a type (ElementDefinition.constraint), except ele-1 and
// those on every resource, dom-2 to dom-6.
type Constraint struct {
	Key        string // obs-6
	Severity   string // error | warning
	Human      string // what it says, in words
	Expression string // FHIRPath
	Element    string // of the type, where the constraint is on one with a type of its own; else ""
	Practice   bool   // a best practice (elementdefinition-bestpractice), not a rule
}

// TargetSet is a set of types of resources.
type TargetSet struct {
	Names []string // as the definition lists them
	bits  [4]uint64
}

// Has reports whether a type of resource is in the set.
func (s *TargetSet) Has(t *Type) bool {
	i := t.ID >> 6
	return i < len(s.bits) && s.bits[i]>>(t.ID&63)&1 != 0
}

// Syntax is what codes of a value set look like that cannot be enumerated.
type Syntax uint8

// Kinds of syntax. Enumerated is a set that lists its codes; Unknown one whose codes are
// not known here, so that nothing is checked.
const (
	Enumerated Syntax = iota
	Unknown
	MIMEType // RFC 6838
	Language // BCP 47
	Currency // ISO 4217: three capital letters
	UCUM     // printable ASCII without space
)

// ValueSet is a set of codes that an element is bound to.
type ValueSet struct {
	URL    string
	Name   string
	Syntax Syntax
	Codes  []Coding // of an enumerated one, in the order of the expansion

	codes nameTable[codeSystems]
}

// codeSystems are those of a value set that have one code: nearly always one.
type codeSystems []string

// Coding is a code and the system that defines it.
type Coding struct{ System, Code string }

// HasCode reports whether a code is in an enumerated set, whatever its system.
func (v *ValueSet) HasCode(code []byte) bool { return v.codes.find(code) != nil }

// Has reports whether a code of a system is in an enumerated set.
func (v *ValueSet) Has(system, code []byte) bool {
	if systems := v.codes.find(code); systems != nil {
		for _, s := range *systems {
			if s == string(system) {
				return true
			}
		}
	}
	return false
}
