package generate

// person is the patient at hand: what the resources of one patient have in common.
type person struct {
	index                 uint64
	id                    id
	given, middle, family string
	name                  string
	female                bool
	birth                 moment
	home                  site
	homeAddress           address
	doctor                staff
	insurer               int64 // index
	member                int64 // number with the insurer

	height, massIndex int64 // of the adult, in mm and in 0.1 kg/m2
	systolic          int64
	smoking           coding

	known  [maxChronic]diagnosis // chronic conditions so far
	knownN int
	visits []visit
}

const maxChronic = 5

// diagnosis is a condition that was written.
type diagnosis struct {
	id id
	*disorder
}

// patient writes everything about patient i.
func (g *generator) patient(i uint64) {
	g.r = newRandom(g.seed, forPatient, i, 0)
	g.rev = newRandom(g.seed, forRevision+purpose(g.revision), i, uint64(forPatient))
	g.counts = [kinds]uint64{}
	g.newPerson(i)
	g.planVisits()
	g.patientResource()
	g.allergies()
	for n := range g.p.visits {
		g.visit(&g.p.visits[n])
	}
}

func (g *generator) newPerson(i uint64) {
	r := &g.r
	p := person{index: i, id: g.idOf(patient, i, 0), visits: g.p.visits[:0]}
	p.female = r.chance(51)
	p.given = pick(r, givenNames(p.female))
	p.middle = pick(r, givenNames(p.female))
	p.family = pick(r, familyNames)
	p.name = p.given + " " + p.family
	p.birth = dawn - moment(r.between(-11*365, 77*365))*day + moment(r.below(int64(day)))
	// A site that exists in any dataset that has this patient.
	p.home = g.siteOf(i / patientsPerSite)
	p.homeAddress = newAddress(r, p.home.address.state)
	p.doctor = g.staffOf(p.home.index, r.below(staffPerSite))
	p.insurer = r.below(int64(len(insurerNames)))
	p.member = r.between(10_000_000, 99_999_999)
	p.height = r.between(1550, 1800)
	if !p.female {
		p.height += 110
	}
	p.massIndex = r.between(195, 350)
	p.systolic = r.between(104, 142)
	p.smoking = pick(r, smoking)
	g.zone = p.home.zone
	g.p = p
}

// age is in whole years.
func (p *person) age(at moment) int64 { return int64((at - p.birth) / year) }

// subject refers to the patient from any other resource.
func (g *generator) subject(name string) { g.reference(name, patient, g.p.id, "") }

func (g *generator) patientResource() {
	p, r := &g.p, &g.r
	last := p.visits[len(p.visits)-1].end
	died := p.age(last) >= 60 && r.chance(12)
	death := last + moment(r.between(5, 40))*day
	g.begin(patient, p.id, last+moment(r.between(41*int64(day), 55*int64(day))))
	g.patientNarrative()
	g.array("extension")
	g.item()
	g.str("url", "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName")
	g.str("valueString", pick(r, familyNames))
	g.end()
	g.item()
	g.str("url", "http://hl7.org/fhir/StructureDefinition/patient-birthPlace")
	g.object("valueAddress")
	g.str("city", pick(r, cities))
	g.str("state", pick(r, states))
	g.str("country", "US")
	g.end()
	g.end()
	g.endArray()

	g.array("identifier")
	g.identifierItem(medicalRecord, "medical-record", "MRN-", 1_000_000+int64(p.index))
	g.identifierItem(driversLicense, "drivers-license", "S", r.between(10_000_000, 99_999_999))
	g.endArray()
	g.boolean("active", !died)
	g.array("name")
	g.item()
	g.str("use", "official")
	g.str("family", p.family)
	g.strs("given", p.given, p.middle)
	g.strs("prefix", [...]string{"Mr.", "Ms."}[index(p.female)])
	g.end()
	g.endArray()
	g.array("telecom")
	g.phoneItem("home")
	if p.age(last) >= 16 {
		g.phoneItem("mobile")
	}
	g.endArray()
	g.str("gender", gender(p.female))
	g.date("birthDate", p.birth)
	if died {
		g.dateTime("deceasedDateTime", death)
	}
	g.array("address")
	g.item()
	g.addressMembers(p.homeAddress, "home")
	g.endArray()
	status := coding{hl7 + "v3-MaritalStatus", "S", "Never Married"}
	if p.age(last) >= 25 && r.chance(60) {
		status = coding{hl7 + "v3-MaritalStatus", "M", "Married"}
	}
	g.concept("maritalStatus", status)
	g.boolean("multipleBirthBoolean", r.chance(3))
	g.patientContact()
	g.array("communication")
	g.item()
	g.concept("language", [...]coding{{languages, "en", "English"}, {languages, "es", "Spanish"}}[index(r.chance(15))])
	g.boolean("preferred", true)
	g.end()
	g.endArray()
	g.references("generalPractitioner", practitioner, p.doctor.id, p.doctor.name)
	g.reference("managingOrganization", organization, p.home.id, p.home.name)
	g.finish()
}

const languages = "urn:ietf:bcp:47"

// index makes a choice of two from a condition.
func index(second bool) int {
	if second {
		return 1
	}
	return 0
}

func (g *generator) patientNarrative() {
	p := &g.p
	g.narrative()
	g.markup("<p><b>")
	g.words(p.name)
	g.markup("</b>, ")
	g.words(gender(p.female))
	g.markup(", born ")
	g.dateText(p.birth)
	g.markup(`</p><table class="grid"><tr><td>Address</td><td>`)
	g.words(p.homeAddress.city)
	g.markup("</td></tr><tr><td>Doctor</td><td>")
	g.words(p.doctor.name)
	g.markup("</td></tr></table>")
	g.endNarrative()
}

func (g *generator) patientContact() {
	given := pick(&g.r, givenNames(g.r.chance(50)))
	g.array("contact")
	g.item()
	g.concepts("relationship", coding{hl7 + "v2-0131", "N", "Next-of-Kin"})
	g.object("name")
	g.str("family", g.p.family)
	g.strs("given", given)
	g.end()
	g.array("telecom")
	g.phoneItem("home")
	g.endArray()
	g.end()
	g.endArray()
}
