package generate

// Words of this package's own making; none of these lists comes from a dataset.

var (
	femaleNames = []string{
		"Ada", "Amara", "Beatriz", "Celine", "Dalia", "Edith", "Fatima", "Greta", "Hanna", "Ingrid",
		"Johanna", "Keiko", "Leila", "Mireille", "Nadia", "Olivia", "Paulina", "Renée", "Sofía",
		"Thandiwe", "Ursula", "Valentina", "Wilma", "Ximena", "Yasmin", "Zoë",
	}
	maleNames = []string{
		"Adrian", "Benedict", "Caspar", "Dmitri", "Emilio", "Felix", "Gustav", "Hassan", "Ivo",
		"Jonas", "Kwame", "Lorenzo", "Marek", "Nikolai", "Óscar", "Pablo", "Quentin", "Rafael",
		"Søren", "Tariq", "Ulrich", "Viktor", "Walter", "Xavier", "Yusuf", "Zacharias",
	}
	familyNames = []string{
		"Abernethy", "Adeyemi", "Aldana", "Baptiste", "Birkeland", "Brooke", "Calloway", "Castañeda",
		"Dahlgren", "Delacroix", "Eastwood", "Ekström", "Fairweather", "Fontana", "Gallagher",
		"Grünwald", "Hallström", "Haverford", "Ibarra", "Ito", "Jankowski", "Jørgensen", "Kessler",
		"Kowalczyk", "Lindqvist", "Lovelace", "Marchetti", "Mbeki", "Montague", "Nakamura", "Núñez",
		"O'Rourke", "Okonkwo", "Papadakis", "Pellegrini", "Quigley", "Ravenscroft", "Rosenthal",
		"Sandoval", "Schäfer", "Tanaka", "Thistlewood", "Underhill", "Uzun", "Vandermeer", "Vasquez",
		"Weatherby", "Winslow", "Xu", "Yildiz", "Zamora", "Zielinski",
	}
	streets = []string{
		"Alder Lane", "Bay Street", "Cedar Avenue", "Dogwood Court", "Elm Terrace", "Fern Way",
		"Garden Row", "Harbor Road", "Ivy Close", "Juniper Drive", "Kiln Lane", "Linden Boulevard",
		"Mill Road", "North Parade", "Orchard Street", "Pine Crescent", "Quarry Hill", "River Walk",
		"Station Road", "Tulip Path", "Upper Green", "Vineyard Avenue", "Willow Bend",
	}
	cities = []string{
		"Amberfield", "Brackenridge Mills", "Calder Point", "Dunmore Heights", "Eastmarch",
		"Fallow Springs", "Glenhaven", "Hartsborough", "Ironbridge Falls", "Juniper Crossing",
		"Kettle Bay", "Larkhollow", "Mossgate", "New Tamworth", "Oakhurst Landing", "Pellbrook",
		"Quillan", "Redwater", "Stonemere", "Thornbury Lake", "Umberton", "Verdant Hills", "Westerlow",
	}
	states     = []string{"MA", "NY", "OH", "IL", "TX", "MN", "CO", "AZ", "WA", "CA"}
	stateZones = []int64{-5, -5, -5, -6, -6, -6, -7, -7, -8, -8} // hours, standard time all year

	siteNames     = []string{"General Hospital", "Medical Center", "Community Clinic", "Family Practice", "Health Partners"}
	insurerNames  = []string{"Larch Mutual Health", "Beacon Hill Assurance", "Prairie Health Fund", "Northern Star Insurance"}
	planNames     = []string{"Bronze", "Silver", "Gold", "Platinum"}
	manufacturers = []string{"Arbor Biologics", "Calyx Vaccines", "Meridian Serum Works"}
)

// Sentences of clinical notes.
var (
	noteHeadings = []string{
		"Chief complaint", "History of present illness", "Past medical history", "Medications",
		"Social history", "Review of systems", "Physical examination", "Assessment", "Plan",
	}
	noteSentences = []string{
		"The patient arrived on time and gave a clear account of the last weeks.",
		"Symptoms began gradually and are worse in the morning.",
		"No fever, chills or night sweats were reported.",
		"Appetite is normal and weight has been stable since the last visit.",
		"Sleep is described as \"good enough\", six to seven hours a night.",
		"There is no recent travel and no known contact with sick people.",
		"Current medication is taken as prescribed; no doses were missed.",
		"The patient denies chest pain, palpitations and shortness of breath.",
		"Lungs are clear on both sides without wheezes or crackles.",
		"Heart sounds are regular, no murmur was heard.",
		"The abdomen is soft and not tender, bowel sounds are present.",
		"Gait is steady; strength and sensation are equal on both sides.",
		"Skin is warm and dry, without rash or open wounds.",
		"Previous results were reviewed together and questions were answered.",
		"Blood pressure was taken twice, seated, after five minutes of rest.",
		"Diet was discussed: more vegetables, less salt, water instead of soft drinks.",
		"A daily walk of thirty minutes was agreed on as a first step.",
		"Side effects were explained and written information was handed out.",
		"Laboratory tests were ordered and will be discussed by telephone.",
		"The treatment is continued unchanged until the next appointment.",
		"The dose was reduced because of dizziness on standing up.",
		"A referral to physical therapy was offered and accepted.",
		"Vaccination status was checked; missing doses will be given today.",
		"The family is supportive and helps with the household.",
		"Work is mostly at a desk, with little movement during the day.",
		"The patient will return sooner if the symptoms get worse.",
		"Emergency signs were explained: go to hospital at once if they occur.",
		"Follow-up is planned in three months, or earlier if needed.",
	}
	remarks = []string{
		"Checked against the paper record and corrected.",
		"Amended after a call with the patient.",
		"Details completed by the billing office.",
		"Reviewed at the quarterly audit; entry revised.",
		"Updated after the outside records had arrived.",
	}
	conclusions = []string{
		"All values were compared with earlier results. No urgent action is needed.",
		"Values out of range are marked. Repeat in three months.",
		"Results are consistent with the known conditions. Continue treatment.",
	}
)
