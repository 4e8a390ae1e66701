package main

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// shared is what Helm itself puts among the values of a chart that is part of another.
const shared = "global"

// editSchema gives each value's schema its description.
func editSchema(data []byte, values []value) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	root := doc.Content[0]
	described := make(map[*yaml.Node]bool)
	for _, v := range values {
		at := root
		for _, step := range v.path {
			properties := child(at, "properties")
			if at = child(properties, step); at == nil {
				return nil, fmt.Errorf("%s is not in it", v)
			}
			described[at] = true
		}
		describe(at, v.doc)
	}
	if extra := undescribed(root, described, ""); extra != "" {
		return nil, fmt.Errorf("%s is in it, but is no value", extra)
	}
	return indentedJSON(root)
}

// child is what a key of a mapping holds, or nil.
func child(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func describe(schema *yaml.Node, text string) {
	if d := child(schema, "description"); d != nil {
		d.SetString(text)
		return
	}
	var key, d yaml.Node
	key.SetString("description")
	d.SetString(text)
	schema.Content = append([]*yaml.Node{&key, &d}, schema.Content...)
}

// undescribed is the path of a property that no value led to. What is inside of a value
// that is described as a whole is its own business.
func undescribed(schema *yaml.Node, described map[*yaml.Node]bool, path string) string {
	properties := child(schema, "properties")
	if properties == nil {
		return ""
	}
	for i := 0; i < len(properties.Content); i += 2 {
		name, property := properties.Content[i].Value, properties.Content[i+1]
		switch {
		case path == "" && name == shared:
		case !described[property]:
			return path + name
		case child(property, "description") == nil: // a group of values
			if extra := undescribed(property, described, path+name+"."); extra != "" {
				return extra
			}
		}
	}
	return ""
}
