package generate

// measure is what an Observation with a quantity measures. Numbers are in units of
// 10^-scale; low and high are the reference range, both 0 where none is given.
type measure struct {
	code       coding
	unit, ucum string
	scale      int
	low, high  int64
}

// Vital signs, by FHIR's codes and units for them.
var (
	bodyHeight    = measure{lnc("8302-2", "Body height"), "cm", "cm", 1, 0, 0}
	bodyWeight    = measure{lnc("29463-7", "Body weight"), "kg", "kg", 1, 0, 0}
	bodyMassIndex = measure{lnc("39156-5", "Body mass index (BMI) [Ratio]"), "kg/m2", "kg/m2", 1, 0, 0}
	systolic      = measure{lnc("8480-6", "Systolic blood pressure"), "mmHg", "mm[Hg]", 0, 0, 0}
	diastolic     = measure{lnc("8462-4", "Diastolic blood pressure"), "mmHg", "mm[Hg]", 0, 0, 0}
	heartRate     = measure{lnc("8867-4", "Heart rate"), "beats/minute", "/min", 0, 0, 0}
	breathRate    = measure{lnc("9279-1", "Respiratory rate"), "breaths/minute", "/min", 0, 0, 0}
	temperature   = measure{lnc("8310-5", "Body temperature"), "Cel", "Cel", 1, 0, 0}
	saturation    = measure{lnc("2708-6", "Oxygen saturation in Arterial blood"), "%", "%", 0, 0, 0}
	painScore     = measure{lnc("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported"), "{score}", "{score}", 0, 0, 0}

	bloodPressure = lnc("85354-9", "Blood pressure panel with all children optional")
	smokingStatus = lnc("72166-2", "Tobacco smoking status")
	smoking       = []coding{
		sct("266919005", "Never smoked tobacco (finding)"), sct("266919005", "Never smoked tobacco (finding)"),
		sct("8517006", "Ex-smoker (finding)"), sct("449868002", "Smokes tobacco daily (finding)"),
	}
)

// panel is a set of laboratory tests ordered together.
type panel struct {
	service
	tests []measure
}

var panels = []panel{
	{service{lnc("24321-2", "Basic metabolic 2000 panel - Serum or Plasma"), 6400}, []measure{
		{lnc("2345-7", "Glucose [Mass/volume] in Serum or Plasma"), "mg/dL", "mg/dL", 1, 700, 990},
		{lnc("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"), "mg/dL", "mg/dL", 1, 70, 200},
		{lnc("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"), "mg/dL", "mg/dL", 2, 60, 130},
		{lnc("17861-6", "Calcium [Mass/volume] in Serum or Plasma"), "mg/dL", "mg/dL", 1, 85, 105},
		{lnc("2951-2", "Sodium [Moles/volume] in Serum or Plasma"), "mmol/L", "mmol/L", 0, 135, 145},
		{lnc("2823-3", "Potassium [Moles/volume] in Serum or Plasma"), "mmol/L", "mmol/L", 1, 35, 51},
		{lnc("2075-0", "Chloride [Moles/volume] in Serum or Plasma"), "mmol/L", "mmol/L", 0, 98, 107},
		{lnc("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma"), "mmol/L", "mmol/L", 0, 22, 29},
	}},
	{service{lnc("24331-1", "Lipid 1996 panel - Serum or Plasma"), 5800}, []measure{
		{lnc("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"), "mg/dL", "mg/dL", 0, 125, 200},
		{lnc("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"), "mg/dL", "mg/dL", 0, 50, 150},
		{lnc("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"), "mg/dL", "mg/dL", 0, 40, 60},
		{lnc("13457-7", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation"), "mg/dL", "mg/dL", 0, 50, 100},
	}},
	{service{lnc("58410-2", "CBC panel - Blood by Automated count"), 4900}, []measure{
		{lnc("6690-2", "Leukocytes [#/volume] in Blood by Automated count"), "10*3/uL", "10*3/uL", 1, 45, 110},
		{lnc("789-8", "Erythrocytes [#/volume] in Blood by Automated count"), "10*6/uL", "10*6/uL", 2, 410, 590},
		{lnc("718-7", "Hemoglobin [Mass/volume] in Blood"), "g/dL", "g/dL", 1, 121, 175},
		{lnc("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count"), "%", "%", 1, 361, 503},
		{lnc("787-2", "MCV [Entitic volume] by Automated count"), "fL", "fL", 1, 800, 1000},
		{lnc("785-6", "MCH [Entitic mass] by Automated count"), "pg", "pg", 1, 270, 330},
		{lnc("786-4", "MCHC [Mass/volume] by Automated count"), "g/dL", "g/dL", 1, 320, 360},
		{lnc("777-3", "Platelets [#/volume] in Blood by Automated count"), "10*3/uL", "10*3/uL", 0, 150, 450},
	}},
	{service{lnc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"), 3700}, []measure{
		{lnc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"), "%", "%", 1, 40, 57},
	}},
}
