//go:build unix && !linux && !race

package arena

func avoidHugePages([]byte) {}

func fillMemory([]byte) {}
