package exporttest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func itoa(i int) string { return strconv.Itoa(i) }

// file is one that a manifest lists.
type file struct {
	list         string // output, deleted, outcome
	name         string
	resourceType string
	lines        []string
	count        int
}

// Line is a resource as it is in a file.
func (r Resource) Line(opts Options, elements bool) string {
	if r.Body != "" {
		return r.Body
	}
	m := map[string]any{"resourceType": r.Type, "id": r.ID}
	meta := map[string]any{}
	if !r.Updated.IsZero() {
		meta["lastUpdated"] = r.Updated.Format(time.RFC3339Nano)
	}
	if elements && !opts.NoTag {
		meta["tag"] = []any{map[string]string{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}}
	}
	if len(meta) > 0 && !opts.NoMeta {
		m["meta"] = meta
	}
	if !elements {
		m["language"] = "de"
	}
	b, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return string(b)
}

// makeFiles exports what is asked for.
func makeFiles(opts Options, asked url.Values, ofGroup bool) (files []file) {
	types := list(asked["_type"])
	since, _ := time.Parse(time.RFC3339, asked.Get("_since")) // zero: all
	elements := asked.Has("_elements")
	organized := opts.Organize && asked.Has("organizeOutputBy")
	byType := map[string]int{} // index of the file in hand
	var patients []string
	for _, reference := range asked["patient"] {
		patients = append(patients, strings.TrimPrefix(reference, "Patient/"))
	}
	for _, r := range opts.Resources {
		if ofGroup && opts.Members != nil && !r.isOf(opts.Members) || len(patients) > 0 && !r.isOf(patients) {
			continue
		}
		old := !r.Updated.IsZero() && r.Updated.Before(since)
		if len(types) > 0 && !opts.IgnoreType && !slices.Contains(types, r.Type) || !opts.IgnoreSince && old {
			continue
		}
		key := r.Type
		if organized {
			key = ""
		}
		i, ok := byType[key]
		if !ok || opts.PerFile > 0 && files[i].count >= opts.PerFile {
			i = len(files)
			byType[key] = i
			files = append(files, file{list: "output", name: fmt.Sprintf("%d.%s.ndjson", i, key), resourceType: key})
		}
		f := &files[i]
		if organized && r.Type == asked.Get("organizeOutputBy") {
			f.lines = append(f.lines, `{"resourceType":"Parameters","parameter":[{"name":"header","valueReference":{"reference":"`+r.Type+`/`+r.ID+`"}}]}`)
		}
		for range opts.Repeat + 1 {
			f.lines = append(f.lines, r.Line(opts, elements))
			f.count++
		}
	}
	deleted := slices.Clone(opts.Deleted)
	for _, d := range opts.Deletions {
		if resourceType, _, _ := strings.Cut(d.Of, "/"); !opts.NoDeletions && !since.IsZero() && !d.At.Before(since) && (len(types) == 0 || slices.Contains(types, resourceType)) {
			deleted = append(deleted, d.Of)
		}
	}
	if len(deleted) > 0 {
		f := file{list: "deleted", name: "deleted.ndjson", resourceType: "Bundle", count: len(deleted)}
		for _, d := range deleted {
			f.lines = append(f.lines, `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"`+d+`"}}]}`)
		}
		files = append(files, f)
	}
	if len(opts.Outcomes) > 0 {
		files = append(files, file{list: "outcome", name: "problems.ndjson", resourceType: "OperationOutcome", lines: opts.Outcomes, count: len(opts.Outcomes)})
	}
	return files
}

func list(values []string) (all []string) {
	for _, v := range values {
		all = append(all, strings.Split(v, ",")...)
	}
	return all
}

func (s *Server) file(w http.ResponseWriter, r *http.Request, opts Options, generation int) {
	var id, i int
	_, err := fmt.Sscanf(r.URL.Path, "/files/%d/%d/", &id, &i)
	s.mu.Lock()
	var f *file
	if err == nil && id < len(s.jobs) && !s.jobs[id].removed && i < len(s.jobs[id].files) {
		f = &s.jobs[id].files[i]
	}
	cut := f != nil && s.cut > 0
	if cut {
		s.cut--
	}
	s.mu.Unlock()
	token := r.Header.Get("Authorization")
	switch {
	case opts.Presigned && token != "":
		reply(w, http.StatusBadRequest, "<Error>two ways to authenticate</Error>")
	case opts.Token != "" && !opts.Presigned && token != "Bearer "+opts.Token:
		reply(w, http.StatusUnauthorized, "")
	case f == nil:
		reply(w, http.StatusNotFound, "")
	case r.URL.Query().Get("sig") != itoa(generation):
		reply(w, max(opts.Gone, http.StatusForbidden), "")
	default:
		send(w, r, f.content(opts), opts, s.Stalled(), cut)
	}
}

func (f file) content(opts Options) []byte {
	text := strings.Join(f.lines, "\n")
	if !opts.NoNewline && text != "" {
		text += "\n"
	}
	if !opts.Gzip {
		return []byte(text)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // into memory
	_ = z.Close()
	return b.Bytes()
}

// send sends a file, or its half.
func send(w http.ResponseWriter, r *http.Request, content []byte, opts Options, stall <-chan struct{}, cut bool) {
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	if opts.Gzip {
		w.Header().Set("Content-Encoding", "gzip")
	}
	if opts.NoLength {
		_, _ = w.Write(content[:len(content)/2]) // the client went away; there is nobody to tell
		_ = http.NewResponseController(w).Flush()
		if cut {
			panic(http.ErrAbortHandler) //nolint:forbidigo // as below
		}
		_, _ = w.Write(content[len(content)/2:])
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(content)))
	if stall == nil && !cut {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		return
	}
	from := 0
	if n, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); n == 1 && err == nil && from < len(content) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
		w.Header().Set("Content-Length", itoa(len(content)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", itoa(len(content)))
	}
	half := from + (len(content)-from)/2
	_, _ = w.Write(content[from:half])
	_ = http.NewResponseController(w).Flush()
	if cut {
		panic(http.ErrAbortHandler) //nolint:forbidigo // by which net/http has a handler cut its connection
	}
	select {
	case <-stall:
	case <-r.Context().Done():
		return
	}
	_, _ = w.Write(content[half:])
}
