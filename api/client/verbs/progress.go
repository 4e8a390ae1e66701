package verbs

import (
	"errors"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// barAbove is the size above which a transfer takes long enough to be watched.
const barAbove = 4 << 20

// progress returns the reader of a value of size bytes, -1 if unknown, so that a
// person who looks at w sees how far it is.
func progress(w io.Writer, label string, r io.Reader, size int64) (io.Reader, int64) {
	if size >= 0 && size <= barAbove || !isTerminal(w) {
		return r, size
	}
	bar := progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(label),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(30),
		progressbar.OptionClearOnFinish(),
		// Its own clock would go on drawing after endProgress.
		progressbar.OptionSetSpinnerChangeInterval(0),
	)
	return &watched{r: r, bar: bar}, size
}

// endProgress takes the bar away, so that what is printed next stands alone.
func endProgress(r io.Reader) {
	if w, ok := r.(*watched); ok {
		_ = w.bar.Clear() // a terminal that went away needs no bar
	}
}

// watched moves a bar while it is read.
type watched struct {
	r   io.Reader
	bar *progressbar.ProgressBar
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	_ = w.bar.Add(n) // the bar is not worth failing for
	return n, err
}

// Seek makes the value ready to be sent again.
func (w *watched) Seek(offset int64, whence int) (int64, error) {
	s, ok := w.r.(io.Seeker)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	at, err := s.Seek(offset, whence)
	if err == nil {
		_ = w.bar.Set64(at)
	}
	return at, err
}
