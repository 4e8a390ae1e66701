package ring

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style is how a picture is drawn.
type Style struct {
	Width  int  // columns, at least 40
	Height int  // lines at most; nodes of which there is nothing to tell are left out then. 0: any number
	Color  bool // with the terminal's colours
	ASCII  bool // for those who cannot see more
}

const minWidth = 40

var (
	blocks = [states]rune{' ', '·', '░', '▒', '▓', '▄', '█'}
	plain  = [states]rune{' ', '.', ':', '+', '-', '=', '#'}
	// As in the terminal's own palette: they suit dark and light grounds.
	colors = [states]string{"", "90", "34", "36", "33", "32", "32"}
)

const alarm = "31"

func (s *Style) glyph(of state) rune {
	if s.ASCII {
		return plain[of]
	}
	return blocks[of]
}

func (s *Style) paint(color, text string) string {
	if !s.Color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// bar draws cells, each run of one state in its colour.
func (s *Style) bar(cells []state) string {
	var b strings.Builder
	for i := 0; i < len(cells); {
		end := i
		for end < len(cells) && cells[end] == cells[i] {
			end++
		}
		b.WriteString(s.paint(colors[cells[i]], strings.Repeat(string(s.glyph(cells[i])), end-i)))
		i = end
	}
	return b.String()
}

// shorten keeps the end of a name, which is its range.
func (s *Style) shorten(name string, width int) string {
	n := utf8.RuneCountInString(name)
	if n <= width {
		return name
	}
	mark := "…"
	if s.ASCII {
		mark = "~"
	}
	return mark + string([]rune(name)[n-width+1:])
}

// fold breaks text into lines after a first one has begun with head; what follows is
// indented as far.
func (s *Style) fold(head, text string) []string {
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	room := max(s.Width-len(indent), 20)
	var lines []string
	line := ""
	for _, word := range strings.Fields(Printable(text)) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	lines = append(lines, line)
	for i := range lines {
		lines[i] = strings.TrimRight(map[bool]string{true: head, false: indent}[i == 0]+lines[i], " ")
	}
	return lines
}

// Printable is text from elsewhere without what would do something to a terminal.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}
