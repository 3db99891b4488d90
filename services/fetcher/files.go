package fetcher

import (
	"context"
	"encoding/json"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/fetcher/internal/source"
)

// fetchFiles brings an import's files to their end: one after the other, or several at once where all are downloaded and no limit of the
// supplier's policy counts through them, which says with which file there is too much. Errors are those of [fetcher.fetchFile], the first one.
func (f *fetcher) fetchFiles(ctx context.Context, imp fhirmsg.Import, files []ledger.File, a *allowance) error {
	var open []ledger.File
	for _, file := range files {
		if file.State != "closed" && file.State != "failed" {
			open = append(open, file)
		}
	}
	fetch := f.fetchFile
	if imp.IsRetry() {
		fetch = f.fetchRejects
	}
	if f.cfg.Files < 2 || imp.IsRetry() || a.isLimited() || !allDownloads(open) {
		c := newCredit(f, imp, a)
		for _, file := range open {
			if err := fetch(ctx, imp, file, c); err != nil {
				return err
			}
		}
		return nil
	}
	share := *f
	share.cfg.Window = max(1, f.cfg.Window/f.cfg.Files) // so that an import takes no more memory (invariant 6)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.cfg.Files)
	for _, file := range open {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			own := *a
			return share.fetchFile(ctx, imp, file, newCredit(&share, imp, &own))
		})
	}
	return group.Wait()
}

// allDownloads reports whether all files are at URLs.
func allDownloads(files []ledger.File) bool {
	for _, file := range files {
		var l source.Locator
		if err := json.Unmarshal(file.Locator, &l); err != nil || l.URL == "" {
			return false
		}
	}
	return true
}
