package generate

// Each site is an organization with two locations and a staff of five.
const (
	locationsPerSite = 2
	staffPerSite     = 5
)

// site is what others need to know of an organization: made again from the seed whenever it
// is needed, never kept, so that memory does not grow with their number.
type site struct {
	index         uint64
	id            id
	name          string
	address       address
	zone          int64
	locations     [locationsPerSite]id
	locationNames [locationsPerSite]string
}

// address is a postal address in one of the made-up cities.
type address struct {
	street, city, state string
	number, zip         int64
}

func (g *generator) siteOf(index uint64) site {
	r := newRandom(g.seed, forSite, index, 0)
	s := site{index: index, id: g.idOf(organization, index, 0)}
	state := r.below(int64(len(states)))
	s.zone = stateZones[state]
	s.address = newAddress(&r, states[state])
	s.name = s.address.city + " " + pick(&r, siteNames)
	for n := range s.locations {
		s.locations[n] = g.idOf(location, index, uint64(n))
		s.locationNames[n] = s.name + [...]string{", Main Building", ", Outpatient Wing"}[n]
	}
	return s
}

func newAddress(r *random, state string) address {
	return address{
		street: pick(r, streets), city: pick(r, cities), state: state,
		number: r.between(1, 2400), zip: r.between(10000, 99899),
	}
}

// staff is a practitioner: made again when needed, like a site.
type staff struct {
	id          id
	given, name string // name is how references show it
	family      string
	female      bool
	years       int64 // since the degree, in 2010
	degree      coding
	number      int64 // of all staff
}

var degrees = []coding{
	{hl7 + "v2-0360", "MD", "Doctor of Medicine"}, {hl7 + "v2-0360", "DO", "Doctor of Osteopathy"},
}

func (g *generator) staffOf(siteIndex uint64, n int64) staff {
	r := newRandom(g.seed, forStaff, siteIndex, uint64(n))
	s := staff{id: g.idOf(practitioner, siteIndex, uint64(n)), female: r.chance(50)}
	s.given = pick(&r, givenNames(s.female))
	s.family = pick(&r, familyNames)
	s.name = "Dr. " + s.given + " " + s.family
	s.years = r.between(1, 30)
	s.degree = pick(&r, degrees)
	s.number = int64(siteIndex)*staffPerSite + n
	return s
}

func givenNames(female bool) []string {
	if female {
		return femaleNames
	}
	return maleNames
}

// insurerOf is the id of one of the insurers, which are owned by no site: their ids follow
// those of the first one's organization.
func (g *generator) insurerOf(n int64) id { return g.idOf(organization, 0, 1+uint64(n)) }

func (g *generator) insurers() {
	for n, name := range insurerNames {
		g.r = newRandom(g.seed, forInsurer, uint64(n), 0)
		g.rev = newRandom(g.seed, forRevision+purpose(g.revision), uint64(n), uint64(forInsurer))
		g.zone = stateZones[0]
		a := newAddress(&g.r, states[0])
		typ := coding{hl7 + "organization-type", "pay", "Payer"}
		g.organization(g.insurerOf(int64(n)), name, typ, int64(n)+1, a)
	}
}

// site writes an organization with its locations and practitioners.
func (g *generator) site(index uint64) {
	s := g.siteOf(index)
	g.r = newRandom(g.seed, forSite, index, 1)
	g.rev = newRandom(g.seed, forRevision+purpose(g.revision), index, uint64(forSite))
	g.zone = s.zone
	number := int64(index) + 1
	g.organization(s.id, s.name, coding{hl7 + "organization-type", "prov", "Healthcare Provider"}, 1000+number, s.address)
	for n := range s.locations {
		g.location(&s, n)
	}
	for n := range int64(staffPerSite) {
		g.practitioner(&s, n)
	}
}

func (g *generator) organization(self id, name string, typ coding, number int64, a address) {
	g.begin(organization, self, dawn-moment(g.r.between(1, 300))*day)
	g.narrative()
	g.markup("<p><b>")
	g.words(name)
	g.markup("</b><br/>")
	g.words(a.city)
	g.markup("</p>")
	g.endNarrative()
	g.array("identifier")
	g.identifierItem(coding{}, "organization", "ORG-", number)
	g.endArray()
	g.boolean("active", true)
	g.concepts("type", typ)
	g.str("name", name)
	g.array("telecom")
	g.phoneItem("work")
	g.endArray()
	g.array("address")
	g.item()
	g.addressMembers(a, "")
	g.endArray()
	g.finish()
}

func (g *generator) location(s *site, n int) {
	g.begin(location, s.locations[n], dawn-moment(g.r.between(1, 200))*day)
	g.array("identifier")
	g.identifierItem(coding{}, "location", "LOC-", int64(s.index)*locationsPerSite+int64(n)+1)
	g.endArray()
	g.str("status", "active")
	g.str("name", s.locationNames[n])
	g.str("mode", "instance")
	g.concepts("type", [...]coding{{hl7 + "v3-RoleCode", "HOSP", "Hospital"}, {hl7 + "v3-RoleCode", "OF", "Outpatient facility"}}[n])
	g.array("telecom")
	g.phoneItem("work")
	g.endArray()
	g.object("address")
	g.addressMembers(s.address, "")
	g.concept("physicalType", coding{hl7 + "location-physical-type", "bu", "Building"})
	g.object("position")
	g.decimal("longitude", -g.r.between(70_000_000, 122_000_000), 6)
	g.decimal("latitude", g.r.between(30_000_000, 48_000_000), 6)
	g.end()
	g.reference("managingOrganization", organization, s.id, s.name)
	g.array("hoursOfOperation")
	g.item()
	g.strs("daysOfWeek", "mon", "tue", "wed", "thu", "fri")
	g.boolean("allDay", n == 0)
	if n == 1 {
		g.str("openingTime", "08:00:00")
		g.str("closingTime", "17:30:00")
	}
	g.end()
	g.endArray()
	g.finish()
}

func (g *generator) practitioner(s *site, n int64) {
	who := g.staffOf(s.index, n)
	g.begin(practitioner, who.id, dawn-moment(g.r.between(1, 100))*day)
	g.array("identifier")
	g.identifierItem(providerNumber, "practitioner", "P", 100_000+who.number)
	g.endArray()
	g.boolean("active", true)
	g.array("name")
	g.item()
	g.str("use", "official")
	g.str("text", who.name)
	g.str("family", who.family)
	g.strs("given", who.given)
	g.strs("prefix", "Dr.")
	g.strs("suffix", who.degree.code)
	g.end()
	g.endArray()
	g.array("telecom")
	g.phoneItem("work")
	g.endArray()
	g.array("address")
	g.item()
	g.addressMembers(s.address, "work")
	g.endArray()
	g.str("gender", gender(who.female))
	g.array("qualification")
	g.item()
	g.concept("code", who.degree)
	g.object("period")
	g.date("start", dawn-moment(who.years)*year)
	g.end()
	g.end()
	g.endArray()
	g.finish()
}

func gender(female bool) string {
	if female {
		return "female"
	}
	return "male"
}

// phoneItem is a number in the range that is reserved for fiction; a revision has another.
func (g *generator) phoneItem(use string) {
	area, line := g.r.between(201, 989), g.r.below(100)
	if g.revision > 0 {
		line = (line + g.rev.between(1, 99)) % 100
	}
	g.item()
	g.str("system", "phone")
	g.startText("value")
	g.text("+1-")
	g.number(area)
	g.text("-555-01")
	g.b = appendDigits(g.b, line, 2)
	g.endText()
	g.str("use", use)
	g.end()
}

// addressMembers ends the address that its caller began.
func (g *generator) addressMembers(a address, use string) {
	if use != "" {
		g.str("use", use)
	}
	g.str("type", "both")
	g.array("line")
	g.comma()
	g.b = append(g.b, '"')
	g.number(a.number)
	g.text(" ")
	g.text(a.street)
	g.endText()
	g.endArray()
	g.str("city", a.city)
	g.str("state", a.state)
	g.startText("postalCode")
	g.number(a.zip)
	g.endText()
	g.str("country", "US")
	g.end()
}
