package generate

// Code systems.
const (
	loinc  = "http://loinc.org"
	snomed = "http://snomed.info/sct"
	rxnorm = "http://www.nlm.nih.gov/research/umls/rxnorm"
	cvx    = "http://hl7.org/fhir/sid/cvx"
	icd10  = "http://hl7.org/fhir/sid/icd-10-cm"
	ucum   = "http://unitsofmeasure.org"
	hl7    = "http://terminology.hl7.org/CodeSystem/"

	ownIDs = "https://stoker.example/fhir/ids/" // prefix of the systems of made-up identifiers
)

// testData marks every resource as what it is.
var testData = coding{hl7 + "v3-ActReason", "HTEST", ""}

// Types of identifiers, where the value set bound to them has one that fits.
var (
	medicalRecord   = coding{hl7 + "v2-0203", "MR", "Medical record number"}
	driversLicense  = coding{hl7 + "v2-0203", "DL", "Driver's license number"}
	providerNumber  = coding{hl7 + "v2-0203", "PRN", "Provider number"}
	accessionNumber = coding{hl7 + "v2-0203", "ACSN", "Accession ID"}
)

// drug is a medication as it is prescribed; long tells one taken for years from a short
// course.
type drug struct {
	code   coding
	form   coding
	perDay int64 // 1 to 4
	long   bool
}

var (
	tablet  = coding{hl7 + "v3-orderableDrugForm", "TAB", "Tablet"}
	capsule = coding{hl7 + "v3-orderableDrugForm", "CAP", "Capsule"}
	puff    = coding{hl7 + "v3-orderableDrugForm", "PUFF", "Puff"}
)

// disorder is a condition in two code systems, with what may be prescribed for it.
type disorder struct {
	snomed, icd coding
	drugs       []drug
}

func sct(code, display string) coding { return coding{snomed, code, display} }
func icd(code, display string) coding { return coding{icd10, code, display} }
func rx(code, display string) coding  { return coding{rxnorm, code, display} }
func lnc(code, display string) coding { return coding{loinc, code, display} }
func vac(code, display string) coding { return coding{cvx, code, display} }

var chronicDisorders = []disorder{
	{sct("59621000", "Essential hypertension (disorder)"), icd("I10", "Essential (primary) hypertension"), []drug{
		{rx("314076", "lisinopril 10 MG Oral Tablet"), tablet, 1, true},
		{rx("310798", "hydrochlorothiazide 25 MG Oral Tablet"), tablet, 1, true},
		{rx("197361", "amlodipine 5 MG Oral Tablet"), tablet, 1, true}}},
	{sct("44054006", "Diabetes mellitus type 2 (disorder)"), icd("E11.9", "Type 2 diabetes mellitus without complications"), []drug{
		{rx("860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet"), tablet, 2, true}}},
	{sct("55822004", "Hyperlipidemia (disorder)"), icd("E78.5", "Hyperlipidemia, unspecified"), []drug{
		{rx("314231", "simvastatin 10 MG Oral Tablet"), tablet, 1, true},
		{rx("617311", "atorvastatin 40 MG Oral Tablet"), tablet, 1, true}}},
	{sct("195967001", "Asthma (disorder)"), icd("J45.909", "Unspecified asthma, uncomplicated"), []drug{
		{rx("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"), puff, 4, true}}},
	{sct("13645005", "Chronic obstructive lung disease (disorder)"), icd("J44.9", "Chronic obstructive pulmonary disease, unspecified"), []drug{
		{rx("745679", "200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"), puff, 4, true}}},
	{sct("35489007", "Depressive disorder (disorder)"), icd("F32.9", "Major depressive disorder, single episode, unspecified"), []drug{
		{rx("312938", "sertraline 100 MG Oral Tablet"), tablet, 1, true}}},
	{sct("53741008", "Coronary arteriosclerosis (disorder)"), icd("I25.10", "Atherosclerotic heart disease of native coronary artery without angina pectoris"), []drug{
		{rx("243670", "aspirin 81 MG Oral Tablet"), tablet, 1, true},
		{rx("309362", "clopidogrel 75 MG Oral Tablet"), tablet, 1, true}}},
	{sct("49436004", "Atrial fibrillation (disorder)"), icd("I48.91", "Unspecified atrial fibrillation"), []drug{
		{rx("855332", "warfarin sodium 5 MG Oral Tablet"), tablet, 1, true}}},
	{sct("40930008", "Hypothyroidism (disorder)"), icd("E03.9", "Hypothyroidism, unspecified"), []drug{
		{rx("892246", "levothyroxine sodium 0.1 MG Oral Tablet"), tablet, 1, true}}},
	{sct("235595009", "Gastroesophageal reflux disease (disorder)"), icd("K21.9", "Gastro-esophageal reflux disease without esophagitis"), []drug{
		{rx("198051", "omeprazole 20 MG Delayed Release Oral Capsule"), capsule, 1, true}}},
	{sct("64859006", "Osteoporosis (disorder)"), icd("M81.0", "Age-related osteoporosis without current pathological fracture"), []drug{
		{rx("904419", "alendronic acid 10 MG Oral Tablet"), tablet, 1, true}}},
	{sct("396275006", "Osteoarthritis (disorder)"), icd("M19.90", "Unspecified osteoarthritis, unspecified site"), []drug{
		{rx("849574", "naproxen sodium 220 MG Oral Tablet"), tablet, 2, true}}},
}

var acuteDisorders = []disorder{
	{sct("195662009", "Acute viral pharyngitis (disorder)"), icd("J02.9", "Acute pharyngitis, unspecified"), []drug{
		{rx("313782", "acetaminophen 325 MG Oral Tablet"), tablet, 3, false}}},
	{sct("444814009", "Viral sinusitis (disorder)"), icd("J01.90", "Acute sinusitis, unspecified"), []drug{
		{rx("562251", "amoxicillin 250 MG / clavulanate 125 MG Oral Tablet"), tablet, 3, false}}},
	{sct("10509002", "Acute bronchitis (disorder)"), icd("J20.9", "Acute bronchitis, unspecified"), []drug{
		{rx("313782", "acetaminophen 325 MG Oral Tablet"), tablet, 3, false}}},
	{sct("65363002", "Otitis media (disorder)"), icd("H66.90", "Otitis media, unspecified, unspecified ear"), []drug{
		{rx("308182", "amoxicillin 250 MG Oral Capsule"), capsule, 3, false}}},
	{sct("68566005", "Urinary tract infectious disease (disorder)"), icd("N39.0", "Urinary tract infection, site not specified"), []drug{
		{rx("1094107", "phenazopyridine hydrochloride 100 MG Oral Tablet"), tablet, 3, false}}},
	{sct("44465007", "Sprain of ankle (disorder)"), icd("S93.409A", "Sprain of unspecified ligament of unspecified ankle, initial encounter"), []drug{
		{rx("310965", "ibuprofen 200 MG Oral Tablet"), tablet, 3, false}}},
	{sct("25374005", "Gastroenteritis (disorder)"), icd("K52.9", "Noninfective gastroenteritis and colitis, unspecified"), nil},
	{sct("233604007", "Pneumonia (disorder)"), icd("J18.9", "Pneumonia, unspecified organism"), []drug{
		{rx("308182", "amoxicillin 250 MG Oral Capsule"), capsule, 3, false}}},
	{sct("43878008", "Streptococcal sore throat (disorder)"), icd("J02.0", "Streptococcal pharyngitis"), []drug{
		{rx("834061", "penicillin V potassium 250 MG Oral Tablet"), tablet, 4, false}}},
	{sct("6142004", "Influenza (disorder)"), icd("J11.1", "Influenza due to unidentified influenza virus with other respiratory manifestations"), []drug{
		{rx("310965", "ibuprofen 200 MG Oral Tablet"), tablet, 3, false}}},
	{sct("37796009", "Migraine (disorder)"), icd("G43.909", "Migraine, unspecified, not intractable, without status migrainosus"), []drug{
		{rx("849574", "naproxen sodium 220 MG Oral Tablet"), tablet, 2, false}}},
}

// service is a procedure and its price.
type service struct {
	code  coding
	cents int64
}

// adultProcedures is how many of the procedures, at the end of the list, are for adults only.
const adultProcedures = 2

var procedures = []service{
	{sct("430193006", "Medication reconciliation (procedure)"), 8500},
	{sct("710824005", "Assessment of health and social care needs (procedure)"), 12400},
	{sct("171207006", "Depression screening (procedure)"), 9800},
	{sct("710841007", "Assessment of anxiety (procedure)"), 9650},
	{sct("415300000", "Review of systems (procedure)"), 6100},
	{sct("23426006", "Measurement of respiratory function (procedure)"), 23100},
	{sct("29303009", "Electrocardiographic procedure (procedure)"), 18750},
	{sct("40701008", "Echocardiography (procedure)"), 64300},
	{sct("399208008", "Plain X-ray of chest (procedure)"), 27600},
	{sct("76601001", "Intramuscular injection (procedure)"), 4450},
	{sct("117010004", "Urine culture (procedure)"), 7200},
	{sct("288086009", "Suture open wound (procedure)"), 31900},
	{sct("428211000124100", "Assessment of substance use (procedure)"), 9300},
	{sct("73761001", "Colonoscopy (procedure)"), 148000},
}

var (
	yearlyVaccine = vac("140", "Influenza, seasonal, injectable, preservative free")
	childVaccines = []coding{
		vac("08", "Hep B, adolescent or pediatric"), vac("20", "DTaP"), vac("10", "IPV"), vac("49", "Hib (PRP-OMP)"),
		vac("133", "Pneumococcal conjugate PCV 13"), vac("03", "MMR"), vac("21", "varicella"), vac("83", "Hep A, ped/adol, 2 dose"),
	}
	adultVaccines = []coding{
		vac("113", "Td (adult) preservative free"), vac("115", "Tdap"), vac("52", "Hep A, adult"), vac("43", "Hep B, adult"),
		vac("33", "pneumococcal polysaccharide vaccine, 23 valent"),
	}
)

// allergen is an allergy with its FHIR category.
type allergen struct {
	code     coding
	category string
}

var allergens = []allergen{
	{sct("91936005", "Allergy to penicillin (finding)"), "medication"}, {sct("91935009", "Allergy to peanut (finding)"), "food"},
	{sct("91934008", "Allergy to nut (finding)"), "food"}, {sct("300913006", "Allergy to shellfish (finding)"), "food"},
	{sct("419474003", "Allergy to mold (finding)"), "environment"}, {sct("232350006", "Allergy to house dust mite (finding)"), "environment"},
	{sct("418689008", "Allergy to grass pollen (finding)"), "environment"}, {sct("419263009", "Allergy to tree pollen (finding)"), "environment"},
	{sct("300916003", "Allergy to latex (finding)"), "environment"},
}

var manifestations = []coding{
	sct("247472004", "Wheal (finding)"), sct("271807003", "Eruption of skin (disorder)"), sct("49727002", "Cough (finding)"),
	sct("267036007", "Dyspnea (finding)"), sct("418290006", "Itching (finding)"),
}
