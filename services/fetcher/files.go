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
	if f.cfg.Files < 2 || imp.IsRetry() || a.isLimited() || !allDownloads(open) {
		return f.fetchInTurn(ctx, imp, open, newCredit(f, imp, a))
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

// fetchInTurn brings files to their end one after the other.
func (f *fetcher) fetchInTurn(ctx context.Context, imp fhirmsg.Import, files []ledger.File, c *credit) error {
	pulls := newPulls(files)
	defer pulls.close()
	for _, file := range files {
		fetch := f.fetchFile
		switch {
		case imp.IsRetry():
			fetch = f.fetchRejects
		case pulls.has(file.Index):
			fetch = pulls.with(f)
		}
		if err := fetch(ctx, imp, file, c); err != nil {
			return err
		}
	}
	return nil
}

// allDownloads reports whether all files are at URLs, and each is one answer.
func allDownloads(files []ledger.File) bool {
	for _, file := range files {
		var l source.Locator
		if err := json.Unmarshal(file.Locator, &l); err != nil || l.URL == "" || l.Pull != nil {
			return false
		}
	}
	return true
}
