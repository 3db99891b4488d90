module github.com/stoker-fhir/stoker/pkg/fhirmsg

go 1.26.0

require github.com/klauspost/compress v1.20.3

require github.com/google/go-cmp v0.7.0
