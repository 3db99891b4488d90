module github.com/stoker-fhir/stoker/services/allinone

go 1.26.0

replace github.com/stoker-fhir/stoker/pkg => ../../pkg

replace github.com/stoker-fhir/stoker/pkg/fhirmsg => ../../pkg/fhirmsg

replace github.com/stoker-fhir/stoker/services/fetcher => ../fetcher

replace github.com/stoker-fhir/stoker/services/parser => ../parser

replace github.com/stoker-fhir/stoker/services/writer => ../writer
