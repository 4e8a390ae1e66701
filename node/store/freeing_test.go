package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFreeing is the life of one value as freeing sees it.
func TestFreeing(t *testing.T) {
	now := uint32(1000)
	s := open(t, Options{Now: func() uint32 { return now }})
	u := number(1)
	install := func(witness uint8) {
		t.Helper()
		if _, err := s.InstallBytes(u, []byte("value"), witness); err != nil {
			t.Fatal(err)
		}
	}
	age := func(want Freeable) Freeable {
		t.Helper()
		got, ok := s.Age(u)
		want.Generation = got.Generation
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("Age: %v (-want +got):\n%s", ok, diff)
		}
		return got
	}
	install(3)
	now += 5
	first := age(Freeable{Touched: 4, Witness: 3})

	// "Have it" and an install of what is there each make older answers void.
	s.Touch(u, 4)
	second := age(Freeable{Witness: 4})
	install(5)
	third := age(Freeable{Witness: 5})
	for _, old := range []Freeable{first, second} {
		if s.Free(u, old.Generation) {
			t.Fatal("freed on an answer from before a touch")
		}
		s.SetWitness(u, 99, old.Generation)
	}
	age(Freeable{Witness: 5})
	s.SetWitness(u, 6, third.Generation)
	now += 100
	age(Freeable{Touched: 99, Witness: 6})

	// A value that went and came again is not freed on an answer about its last life.
	s.Drop(u)
	install(7)
	if s.Free(u, third.Generation) {
		t.Fatal("freed on an answer about another life")
	}
	now -= 50 // no clock should, but then the value is young and not 136 years old
	last := age(Freeable{Witness: 7})
	if !s.Free(u, last.Generation) || s.Free(u, last.Generation) || s.Has(u) {
		t.Error("not freed once")
	}
	if _, ok := s.Age(u); ok {
		t.Error("a freed value has an age")
	}
	s.SetWitness(u, 1, 1)
	checkEmpty(t, s)
}
