module github.com/stoker-fhir/stoker/services/fetcher

go 1.26.0

replace github.com/stoker-fhir/stoker/pkg => ../../pkg

replace github.com/stoker-fhir/stoker/pkg/fhirmsg => ../../pkg/fhirmsg
