// Command gen writes docs/openapi.json. Its argument is the file's name.
package main

import (
	"fmt"
	"os"

	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the file to write")
	}
	doc, err := api.OpenAPI()
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], doc, 0o644)
}
