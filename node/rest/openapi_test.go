package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/eiri/seppen/node/kv"
)

func loadOpenAPI(t *testing.T, b []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOpenAPIJSON(t *testing.T) {
	var doc struct{ OpenAPI string }
	if err := json.Unmarshal(OpenAPIJSON(), &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q, error %v", doc.OpenAPI, err)
	}
	loadOpenAPI(t, OpenAPIJSON())
}

// stall is a body that does not come.
type stall struct{ done chan struct{} }

func (s *stall) Read([]byte) (int, error) { <-s.done; return 0, io.ErrUnexpectedEOF }

// TestOpenAPI has every documented answer to every operation given by a server, and
// holds it against the document. No answer may be left out or undocumented.
func TestOpenAPI(t *testing.T) {
	doc := loadOpenAPI(t, OpenAPI)
	etag := newModel().secret.Sum([]byte("value")).ETag()
	long := "/" + strings.Repeat("k", kv.MaxKey+1)
	stalled := &stall{make(chan struct{})}
	defer close(stalled.done)
	broken := errors.New("broken")

	tests := []struct {
		method, target string
		header         string // "Name: value"
		body           io.Reader
		failing        string // the method of the backend that fails
		err            error
		status         int
	}{
		{method: "GET", target: "/", status: 200},
		{method: "GET", target: "/?prefix=v&after=a&limit=2", header: "Accept: application/json", status: 200},
		{method: "GET", target: "/", header: "Accept: application/x-ndjson", status: 200},
		{method: "GET", target: "/?limit=0", status: 400},
		{method: "GET", target: "/", header: "Accept: text/html", status: 406},
		{method: "GET", target: "/", failing: "List", err: broken, status: 500},
		{method: "GET", target: "/", failing: "List", err: kv.Refuse(kv.Busy, "for the moment"), status: 503},
		{method: "HEAD", target: "/", status: 200},
		{method: "HEAD", target: "/?x", status: 400},
		{method: "HEAD", target: "/", header: "Accept: text/html", status: 406},

		{method: "GET", target: "/v", status: 200},
		{method: "GET", target: "/v", header: "Range: bytes=1-2", status: 206},
		{method: "GET", target: "/v", header: "If-None-Match: " + etag, status: 304},
		{method: "GET", target: "/v?", status: 400},
		{method: "GET", target: "/none", status: 404},
		{method: "GET", target: "/v", header: `If-Match: "x"`, status: 412},
		{method: "GET", target: long, status: 414},
		{method: "GET", target: "/v", header: "Range: bytes=9-", status: 416},
		{method: "GET", target: "/v", failing: "Lookup", err: broken, status: 500},
		{method: "GET", target: "/v", failing: "Lookup", err: kv.Refuse(kv.Busy, "for the moment"), status: 503},

		{method: "HEAD", target: "/v", status: 200},
		{method: "HEAD", target: "/v", header: "If-None-Match: *", status: 304},
		{method: "HEAD", target: "/v?", status: 400},
		{method: "HEAD", target: "/none", status: 404},
		{method: "HEAD", target: "/v", header: `If-Match: "x"`, status: 412},
		{method: "HEAD", target: long, status: 414},
		{method: "HEAD", target: "/v", failing: "Lookup", err: broken, status: 500},
		{method: "HEAD", target: "/v", failing: "Lookup", err: kv.Refuse(kv.Busy, "for the moment"), status: 503},

		{method: "PUT", target: "/new", status: 201},
		{method: "PUT", target: "/v", body: strings.NewReader("value"), status: 204},
		{method: "PUT", target: "/v", header: "Content-Range: bytes 0-1/2", status: 400},
		{method: "PUT", target: "/v", body: stalled, status: 408},
		{method: "PUT", target: "/v", header: "If-None-Match: *", status: 412},
		{method: "PUT", target: "/v", body: strings.NewReader(strings.Repeat("x", 101)), status: 413},
		{method: "PUT", target: long, status: 414},
		{method: "PUT", target: "/v", failing: "Put", err: broken, status: 500},
		{method: "PUT", target: "/v", failing: "Put", err: kv.Refuse(kv.Busy, "for the moment"), status: 503},
		{method: "PUT", target: "/v", failing: "Put", err: kv.ErrUnknown, status: 504},
		{method: "PUT", target: "/v", failing: "NewBody", err: kv.ErrNoMemory, status: 507},

		{method: "DELETE", target: "/v", status: 204},
		{method: "DELETE", target: "/v", header: "If-Match: x", status: 400},
		{method: "DELETE", target: "/none", status: 404},
		{method: "DELETE", target: "/v", header: `If-Match: "x"`, status: 412},
		{method: "DELETE", target: long, status: 414},
		{method: "DELETE", target: "/v", failing: "Delete", err: broken, status: 500},
		{method: "DELETE", target: "/v", failing: "Delete", err: kv.Refuse(kv.Busy, "for the moment"), status: 503},
		{method: "DELETE", target: "/v", failing: "Delete", err: kv.ErrUnknown, status: 504},
	}
	o := quiet()
	o.MaxValue, o.BodyTimeout = 100, 500*time.Millisecond
	m := newModel()
	s := serve(t, m, o)
	seen := map[string]bool{}
	for _, tt := range tests {
		name := fmt.Sprintf("%s %.9s %s %d", tt.method, tt.target, tt.header, tt.status)
		t.Run(name, func(t *testing.T) {
			m.put("v", "text/plain", "value")
			m.put("v\xff", "", "other")
			m.fail = map[string]error{tt.failing: tt.err}
			route, resp := roundTrip(t, doc, s, tt.method, tt.target, tt.header, tt.body)
			if resp.StatusCode != tt.status {
				t.Fatalf("status %d: %q", resp.StatusCode, read(t, resp))
			}
			checkAnswer(t, route, resp)
			seen[route.Operation.OperationID+fmt.Sprint(tt.status)] = true
		})
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				if !seen[operation.OperationID+status] {
					t.Errorf("%s %s: no test of %s", method, path, status)
				}
			}
		}
	}
}

func roundTrip(t *testing.T, doc *openapi3.T, s *httptest.Server, method, target, header string, body io.Reader) (*routers.Route, *http.Response) {
	t.Helper()
	req, err := http.NewRequest(method, s.URL+target, body)
	if err != nil {
		t.Fatal(err)
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		req.Header.Set(name, value)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	path := "/"
	if u, err := url.Parse(target); err != nil || u.Path != "/" {
		path = "/{key}"
	}
	item := doc.Paths.Value(path)
	return &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)}, resp
}

// checkAnswer holds an answer against its operation. The validator looks neither at
// the answers to HEAD nor at 304, and knows no JSON of several lines, so these are
// checked here as far as the document goes.
func checkAnswer(t *testing.T, route *routers.Route, resp *http.Response) {
	t.Helper()
	contentType := resp.Header.Get("Content-Type")
	list := route.Path == "/" && resp.StatusCode == http.StatusOK && contentType != defaultType
	if list && route.Method == http.MethodGet {
		checkLines(t, route.Spec.Components.Schemas["Entry"].Value, read(t, resp))
	}
	err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: resp.Request, Route: route},
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Body:                   resp.Body,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: list},
	})
	if err != nil {
		t.Error(err)
	}
	response := route.Operation.Responses.Status(resp.StatusCode)
	if response == nil {
		t.Fatalf("%d is not documented", resp.StatusCode)
	}
	for name := range response.Value.Headers {
		if resp.Header.Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if len(response.Value.Content) == 0 && route.Method != http.MethodHead && contentType != "" {
		t.Errorf("undocumented content, %s", contentType)
	}
}

func checkLines(t *testing.T, schema *openapi3.Schema, body string) {
	t.Helper()
	for line := range strings.Lines(body) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if err := schema.VisitJSON(v, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}
