package diagnosis

// Versions of FHIR other than R4.
const (
	dstu2 = "DSTU2"
	stu3  = "STU3"
	r5    = "R5"
)

// change is an element that only other versions have.
type change struct {
	r4       string // what R4 calls it, from the resource on; "" where it has nothing of the kind
	versions []string
	shape    bool // R4 has an element of this name too, in another form
}

func only(version, r4 string) change { return change{r4: r4, versions: []string{version}} }

func both(a, b, r4 string) change { return change{r4: r4, versions: []string{a, b}} }

func reshaped(version, r4 string) change {
	return change{r4: r4, versions: []string{version}, shape: true}
}

// changes are the elements by their expression without indexes. Sources are the version
// histories of the resources: "R4 → R3 differences" (https://hl7.org/fhir/R4/diff.html) and
// "R5 → R4" (https://hl7.org/fhir/R5/diff.html).
func changes() map[string]change {
	return map[string]change{
		"AllergyIntolerance.assertedDate":           only(stu3, "recordedDate"),
		"AllergyIntolerance.participant":            only(r5, "recorder"),
		"AllergyIntolerance.substance":              only(dstu2, "code"),
		"AllergyIntolerance.lastOccurence":          only(dstu2, "lastOccurrence"),
		"Appointment.incomingReferral":              only(stu3, "basedOn"),
		"Appointment.reason":                        both(stu3, r5, "reasonCode"),
		"AuditEvent.agent.reference":                both(dstu2, stu3, "agent.who"),
		"CarePlan.context":                          both(dstu2, stu3, "encounter"),
		"CarePlan.definition":                       only(stu3, "instantiatesCanonical"),
		"CareTeam.context":                          only(stu3, "encounter"),
		"Claim.careTeam.qualification.concept":      only(r5, "careTeam.qualification"),
		"Claim.employmentImpacted":                  only(stu3, "supportingInfo"),
		"Claim.hospitalization":                     only(stu3, "supportingInfo"),
		"Claim.information":                         only(stu3, "supportingInfo"),
		"Claim.item.careTeamLinkId":                 only(stu3, "item.careTeamSequence"),
		"Claim.item.diagnosisLinkId":                only(stu3, "item.diagnosisSequence"),
		"Claim.organization":                        both(dstu2, stu3, "provider"),
		"ClinicalImpression.context":                only(stu3, "encounter"),
		"Communication.context":                     only(stu3, "encounter"),
		"Communication.notDone":                     only(stu3, "status"),
		"CommunicationRequest.context":              only(stu3, "encounter"),
		"Composition.class":                         both(dstu2, stu3, "category"),
		"Condition.assertedDate":                    only(stu3, "recordedDate"),
		"Condition.context":                         only(stu3, "encounter"),
		"Condition.dateRecorded":                    only(dstu2, "recordedDate"),
		"Condition.participant":                     only(r5, "recorder"),
		"Condition.patient":                         only(dstu2, "subject"),
		"Consent.consentingParty":                   only(stu3, "performer"),
		"Device.model":                              both(dstu2, stu3, "modelNumber"),
		"Device.udi":                                both(dstu2, stu3, "udiCarrier"),
		"DiagnosticReport.codedDiagnosis":           both(dstu2, stu3, "conclusionCode"),
		"DiagnosticReport.composition":              only(r5, ""),
		"DiagnosticReport.context":                  only(stu3, "encounter"),
		"DiagnosticReport.image":                    both(dstu2, stu3, "media"),
		"DiagnosticReport.performer.actor":          only(stu3, "performer"),
		"DiagnosticReport.requestDetail":            only(dstu2, "basedOn"),
		"DiagnosticReport.supportingInfo":           only(r5, ""),
		"DocumentReference.attester":                only(r5, "authenticator"),
		"DocumentReference.class":                   both(dstu2, stu3, "category"),
		"DocumentReference.created":                 both(dstu2, stu3, "date"),
		"DocumentReference.indexed":                 both(dstu2, stu3, "date"),
		"Encounter.actualPeriod":                    only(r5, "period"),
		"Encounter.admission":                       only(r5, "hospitalization"),
		"Encounter.class":                           reshaped(r5, "class, which is a single Coding"),
		"Encounter.incomingReferral":                both(dstu2, stu3, "basedOn"),
		"Encounter.indication":                      only(dstu2, "reasonReference"),
		"Encounter.participant.actor":               only(r5, "participant.individual"),
		"Encounter.patient":                         only(dstu2, "subject"),
		"Encounter.plannedStartDate":                only(r5, ""),
		"Encounter.reason":                          change{r4: "reasonCode", versions: []string{dstu2, stu3, r5}},
		"Encounter.subjectStatus":                   only(r5, ""),
		"ExplanationOfBenefit.employmentImpacted":   only(stu3, "supportingInfo"),
		"ExplanationOfBenefit.hospitalization":      only(stu3, "supportingInfo"),
		"ExplanationOfBenefit.information":          only(stu3, "supportingInfo"),
		"ExplanationOfBenefit.item.careTeamLinkId":  only(stu3, "item.careTeamSequence"),
		"ExplanationOfBenefit.item.diagnosisLinkId": only(stu3, "item.diagnosisSequence"),
		"ExplanationOfBenefit.item.procedureLinkId": only(stu3, "item.procedureSequence"),
		"ExplanationOfBenefit.organization":         only(stu3, "provider"),
		"ExplanationOfBenefit.totalBenefit":         only(stu3, "total"),
		"ExplanationOfBenefit.totalCost":            only(stu3, "total"),
		"ExplanationOfBenefit.unallocDeductable":    only(stu3, "total"),
		"FamilyMemberHistory.definition":            only(stu3, "instantiatesCanonical"),
		"FamilyMemberHistory.notDone":               only(stu3, "status"),
		"Goal.status":                               both(dstu2, stu3, "lifecycleStatus"),
		"ImagingStudy.accession":                    both(dstu2, stu3, "identifier"),
		"ImagingStudy.context":                      only(stu3, "encounter"),
		"ImagingStudy.patient":                      both(dstu2, stu3, "subject"),
		"ImagingStudy.uid":                          both(dstu2, stu3, "identifier"),
		"Immunization.date":                         both(dstu2, stu3, "occurrenceDateTime"),
		"Immunization.explanation":                  both(dstu2, stu3, "reasonCode"),
		"Immunization.informationSource":            only(r5, "reportOrigin"),
		"Immunization.notGiven":                     only(stu3, "status"),
		"Immunization.practitioner":                 only(stu3, "performer"),
		"Immunization.reason":                       only(r5, "reasonCode"),
		"Immunization.reported":                     only(dstu2, "primarySource"),
		"Immunization.vaccinationProtocol":          both(dstu2, stu3, "protocolApplied"),
		"Immunization.wasNotGiven":                  only(dstu2, "status"),
		"Medication.isBrand":                        both(dstu2, stu3, ""),
		"Medication.product":                        only(dstu2, "ingredient"),
		"MedicationAdministration.notGiven":         only(stu3, "status"),
		"MedicationAdministration.prescription":     both(dstu2, stu3, "request"),
		"MedicationAdministration.reasonNotGiven":   both(dstu2, stu3, "statusReason"),
		"MedicationAdministration.wasNotGiven":      only(dstu2, "status"),
		"MedicationDispense.notDone":                only(stu3, "status"),
		"MedicationRequest.context":                 only(stu3, "encounter"),
		"MedicationRequest.definition":              only(stu3, "instantiatesCanonical"),
		"MedicationRequest.medication":              only(r5, "medicationCodeableConcept"),
		"MedicationRequest.reason":                  only(r5, "reasonCode"),
		"MedicationRequest.requester.agent":         only(stu3, "requester"),
		"MedicationStatement.medication":            only(r5, "medicationCodeableConcept"),
		"MedicationStatement.notTaken":              only(stu3, "status"),
		"MedicationStatement.reasonNotTaken":        both(dstu2, stu3, "statusReason"),
		"MedicationStatement.taken":                 only(stu3, "status"),
		"MedicationStatement.wasNotTaken":           only(dstu2, "status"),
		"Observation.comment":                       only(stu3, "note"),
		"Observation.comments":                      only(dstu2, "note"),
		"Observation.context":                       only(stu3, "encounter"),
		"Observation.related":                       both(dstu2, stu3, "hasMember"),
		"Observation.reliability":                   only(dstu2, ""),
		"Observation.triggeredBy":                   only(r5, ""),
		"Patient.animal":                            both(dstu2, stu3, "extension"),
		"Patient.careProvider":                      only(dstu2, "generalPractitioner"),
		"Practitioner.practitionerRole":             only(dstu2, ""),
		"PractitionerRole.availability":             only(r5, "availableTime"),
		"Procedure.context":                         only(stu3, "encounter"),
		"Procedure.definition":                      only(stu3, "instantiatesCanonical"),
		"Procedure.notDone":                         only(stu3, "status"),
		"Procedure.notDoneReason":                   only(stu3, "statusReason"),
		"Procedure.notPerformed":                    only(dstu2, "status"),
		"Procedure.occurrenceDateTime":              only(r5, "performedDateTime"),
		"Procedure.occurrencePeriod":                only(r5, "performedPeriod"),
		"Procedure.performer.role":                  both(dstu2, stu3, "performer.function"),
		"Procedure.reason":                          only(r5, "reasonCode"),
		"Procedure.recorded":                        only(r5, ""),
		"Procedure.reportedBoolean":                 only(r5, ""),
		"Procedure.request":                         only(dstu2, "basedOn"),
		"Provenance.agent.whoReference":             only(stu3, "agent.who"),
		"Provenance.agent.whoUri":                   only(stu3, "agent.who"),
		"QuestionnaireResponse.context":             only(stu3, "encounter"),
		"QuestionnaireResponse.parent":              only(stu3, "partOf"),
		"RiskAssessment.context":                    only(stu3, "encounter"),
		"ServiceRequest.code.concept":               only(r5, "code"),
		"ServiceRequest.reason":                     only(r5, "reasonCode"),
		"Task.context":                              only(stu3, "encounter"),
	}
}

// types are resource types that only other versions have, and what R4 has instead.
func types() map[string]change {
	return map[string]change{
		"BodySite":             both(dstu2, stu3, "BodyStructure"),
		"Conformance":          only(dstu2, "CapabilityStatement"),
		"DiagnosticOrder":      only(dstu2, "ServiceRequest"),
		"EligibilityRequest":   both(dstu2, stu3, "CoverageEligibilityRequest"),
		"ImagingManifest":      only(stu3, ""),
		"MedicationOrder":      only(dstu2, "MedicationRequest"),
		"MedicationUsage":      only(r5, "MedicationStatement"),
		"Order":                only(dstu2, "ServiceRequest"),
		"ProcedureRequest":     both(dstu2, stu3, "ServiceRequest"),
		"ProcessRequest":       both(dstu2, stu3, "Task"),
		"ReferralRequest":      both(dstu2, stu3, "ServiceRequest"),
		"Sequence":             only(stu3, "MolecularSequence"),
		"ActorDefinition":      only(r5, ""),
		"DeviceAssociation":    only(r5, ""),
		"DeviceDispense":       only(r5, ""),
		"DeviceUsage":          only(r5, "DeviceUseStatement"),
		"EncounterHistory":     only(r5, ""),
		"GenomicStudy":         only(r5, ""),
		"ImagingSelection":     only(r5, ""),
		"InventoryItem":        only(r5, ""),
		"NutritionIntake":      only(r5, ""),
		"Permission":           only(r5, ""),
		"RequestOrchestration": only(r5, "RequestGroup"),
		"Requirements":         only(r5, ""),
		"TestPlan":             only(r5, ""),
		"Transport":            only(r5, ""),
	}
}
