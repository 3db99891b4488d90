package drop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// Config says where to look and when a delivery counts as complete.
type Config struct {
	Dir    string        // the drop folder, absolute; made if it is missing
	Settle time.Duration // without a change
	Log    zerolog.Logger
}

// Imports is what deliveries are handed to.
type Imports interface {
	// Request asks for an import. The same request again changes nothing.
	Request(ctx context.Context, req fhirmsg.ImportRequest) error
	// Status is an import as it stands. Errors: [ledger.ErrNotFound] before it was accepted.
	Status(ctx context.Context, id fhirmsg.ImportID) (ledger.Status, error)
	// Reported yields all that issues were reported of.
	Reported(ctx context.Context, id fhirmsg.ImportID, each func(ledger.RejectRow) error) error
}

// interval is between two looks at everything. Notices of the system make the next one come at once.
const interval = time.Second

// maxTaken is how many deliveries of a supplier are being imported at once. The others wait where they are.
const maxTaken = 100

// takenName is the folder of deliveries that are being imported, out of reach of suppliers.
const takenName = ".taken"

// Run looks after the drop folder until the context ends. What fails is tried again at the next
// look; errors are of a drop folder that cannot be used at all.
func Run(ctx context.Context, cfg Config, imports Imports) error {
	d, err := open(cfg, imports)
	if err != nil {
		return err
	}
	defer d.root.Close() //nolint:errcheck // nothing is written through it
	notices := watch(ctx, cfg.Dir, cfg.Log)
	defer notices.close()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		d.round(ctx, notices.watchFolders)
		select {
		case <-ctx.Done():
			return nil
		case n := <-notices.moved:
			d.moved(n)
		case <-ticker.C:
		}
	}
}

// drop is a drop folder that is looked after.
type drop struct {
	cfg     Config
	root    *os.Root // so that no link leads out of the drop folder
	imports Imports
	now     func() time.Time

	seen      map[delivery]sight        // what is not complete yet
	requested map[fhirmsg.ImportID]bool // by this process
	said      map[string]string         // what went wrong in the last round, by what it is about
	saying    map[string]string         // the same of this round
}

func open(cfg Config, imports Imports) (*drop, error) {
	if err := os.MkdirAll(filepath.Join(cfg.Dir, takenName), 0o700); err != nil {
		return nil, fmt.Errorf("drop folder: %w", err)
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("drop folder: %w", err)
	}
	return &drop{
		cfg: cfg, root: root, imports: imports, now: time.Now,
		seen: map[delivery]sight{}, requested: map[fhirmsg.ImportID]bool{}, saying: map[string]string{},
	}, nil
}

// round takes what is complete and finishes what was imported.
func (d *drop) round(ctx context.Context, watchFolders func(suppliers []string)) {
	d.said, d.saying = d.saying, map[string]string{}
	suppliers, err := d.suppliers()
	d.say("folder", err)
	watchFolders(suppliers)
	open, err := d.taken()
	d.say(takenName, err)
	for _, supplier := range suppliers {
		complete, err := d.look(supplier)
		d.say(supplier, err)
		room := maxTaken
		for _, t := range open {
			if t.supplier == supplier {
				room--
			}
		}
		for _, one := range complete[:max(0, min(len(complete), room))] {
			d.say(one.path(), d.take(one))
		}
	}
	taken, err := d.taken()
	d.say(takenName, err)
	if err != nil {
		return
	}
	asked := d.requested
	d.requested = map[fhirmsg.ImportID]bool{} // without what another fetcher put away
	for _, t := range taken {
		d.requested[t.id] = asked[t.id]
	}
	for _, t := range taken {
		if ctx.Err() != nil {
			return
		}
		d.say(t.path(), d.advance(ctx, t))
	}
}

// suppliers are the folders in the drop folder that are named like suppliers.
func (d *drop) suppliers() (names []string, err error) {
	entries, err := readDir(d.root, ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name()[0] == '.' {
			continue
		}
		switch err := fhirmsg.CheckName(e.Name()); {
		case !e.IsDir():
			d.say(e.Name(), errors.New("not a folder: deliveries go into a folder named for their supplier"))
		case err != nil:
			d.say(e.Name(), fmt.Errorf("a folder that no supplier can be named for: %w", err))
		default:
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// say logs what is wrong once, and nothing while it stays the same. Names of files may say who a
// patient is (invariant 8), so those of deliveries are not logged.
func (d *drop) say(about string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	text := err.Error()
	if d.saying[about] == text {
		return
	}
	d.saying[about] = text
	if d.said[about] == text {
		return
	}
	d.cfg.Log.Warn().Err(withoutPath(err)).Str("in", filepath.Dir(about)).Msg("drop folder")
}
