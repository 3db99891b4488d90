// Command conformance runs the suites of package conformance in full and prints their table;
// see `make conformance`.
package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/lifecycle"
	"github.com/stoker-fhir/stoker/services/parser/internal/conformance"
)

func main() { os.Exit(lifecycle.Main("conformance", os.Stderr, run)) }

func run(context.Context) error {
	var o conformance.Options
	flag.IntVar(&o.Mutations, "mutations", 3, "mutations of each kind of an example")
	flag.IntVar(&o.Examples, "examples", 0, "examples of a type that are mutated; 0 is all")
	flag.Uint64Var(&o.Seed, "seed", 1, "of the choice among possible mutations")
	docs := flag.Bool("docs", false, "print the documents that were made and judged wrong")
	only := flag.String("suite", "", "names of the suites to run, by commas; none is all")
	flag.Parse()
	var results []conformance.Result
	wrong := 0
	for _, s := range conformance.Suites(o) {
		if *only != "" && !strings.Contains(","+*only+",", ","+s.Name+",") {
			continue
		}
		r, err := s.Run()
		if err != nil {
			return err
		}
		results = append(results, r)
		wrong += len(r.Wrong)
	}
	if err := conformance.Print(os.Stdout, results, *docs); err != nil {
		return err
	}
	if wrong > 0 {
		return errors.New("the verdict is wrong on some cases")
	}
	return nil
}
