package generate

// observation begins one; its caller adds what was measured.
func (g *generator) observation(v *visit, self id, category, code coding, issued moment) {
	g.begin(observation, self, g.after(issued))
	g.str("status", g.changing("final", "corrected"))
	g.concepts("category", category)
	g.concept("code", code)
	g.subject("subject")
	g.at(v)
	g.dateTime("effectiveDateTime", v.start)
	g.dateTime("issued", issued)
	if category == laboratory {
		g.references("performer", organization, v.site.id, "")
	}
}

var (
	vitalSigns    = coding{hl7 + "observation-category", "vital-signs", "Vital Signs"}
	laboratory    = coding{hl7 + "observation-category", "laboratory", "Laboratory"}
	socialHistory = coding{hl7 + "observation-category", "social-history", "Social History"}
	survey        = coding{hl7 + "observation-category", "survey", "Survey"}
)

// vitals writes the vital signs of a visit, and now and then the smoking status.
func (g *generator) vitals(v *visit) {
	p, r := &g.p, &g.r
	age := p.age(v.start)
	height, massIndex := p.height, p.massIndex+r.between(-12, 12)
	if age < 18 {
		height = min(height, 640+62*age+r.below(40))
		massIndex = 150 + 4*age + r.below(30)
	}
	weight := massIndex*height*height/1_000_000 + g.drift(9) // in 0.1 kg
	massIndex = weight * 1_000_000 / (height * height)

	if age < 18 || r.chance(40) {
		g.measured(v, vitalSigns, &bodyHeight, height+g.drift(4))
	}
	g.measured(v, vitalSigns, &bodyWeight, weight)
	g.measured(v, vitalSigns, &bodyMassIndex, massIndex)
	g.bloodPressure(v)
	g.measured(v, vitalSigns, &heartRate, r.between(56, 104)+g.drift(3))
	if r.chance(70) {
		g.measured(v, vitalSigns, &breathRate, r.between(11, 20)+g.drift(1))
	}
	if r.chance(30) {
		g.measured(v, vitalSigns, &temperature, r.between(360, 385)+g.drift(4))
	}
	if r.chance(30) {
		g.measured(v, vitalSigns, &saturation, r.between(93, 98)+g.drift(1))
	}
	if r.chance(20) {
		g.measured(v, survey, &painScore, max(0, r.between(0, 7)+g.drift(2)))
	}
	if age >= 14 && r.chance(30) {
		g.observation(v, g.next(observation), socialHistory, smokingStatus, v.start+5*minute)
		g.concept("valueCodeableConcept", p.smoking)
		g.finish()
	}
}

// measured writes an observation with one quantity.
func (g *generator) measured(v *visit, category coding, m *measure, value int64) {
	g.observation(v, g.next(observation), category, m.code, v.start+5*minute)
	g.result(m, value)
	g.finish()
}

func (g *generator) bloodPressure(v *visit) {
	high := g.p.systolic + g.r.between(-12, 12) + g.drift(6)
	low := high*62/100 + g.r.between(-4, 4) + g.drift(3)
	g.observation(v, g.next(observation), vitalSigns, bloodPressure, v.start+5*minute)
	g.array("component")
	g.item()
	g.concept("code", systolic.code)
	g.result(&systolic, high)
	g.end()
	g.item()
	g.concept("code", diastolic.code)
	g.result(&diastolic, low)
	g.end()
	g.endArray()
	g.finish()
}

// result writes a value and, where there is a reference range, what it means.
func (g *generator) result(m *measure, value int64) {
	g.quantity("valueQuantity", value, m.scale, m.unit, m.ucum)
	if m.high == 0 {
		return
	}
	interpretation := coding{hl7 + "v3-ObservationInterpretation", "N", "Normal"}
	if value < m.low {
		interpretation = coding{hl7 + "v3-ObservationInterpretation", "L", "Low"}
	} else if value > m.high {
		interpretation = coding{hl7 + "v3-ObservationInterpretation", "H", "High"}
	}
	g.concepts("interpretation", interpretation)
	g.array("referenceRange")
	g.item()
	g.limit("low", m, m.low)
	g.limit("high", m, m.high)
	g.end()
	g.endArray()
}

func (g *generator) limit(name string, m *measure, value int64) {
	g.object(name)
	g.decimal("value", value, m.scale)
	g.str("unit", m.unit)
	g.end()
}
