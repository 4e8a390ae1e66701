package rest

import (
	_ "embed"
	"sync"

	"sigs.k8s.io/yaml"
)

// OpenAPI describes the REST interface, an OpenAPI 3.1 document in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte

// OpenAPIJSON returns the same document in JSON.
var OpenAPIJSON = sync.OnceValue(func() []byte {
	b, err := yaml.YAMLToJSON(OpenAPI)
	if err != nil {
		panic(err) // the tests have read it
	}
	return b
})
