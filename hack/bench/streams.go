//go:build linux

package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// The yardstick of copying: one TCP connection between two processes, on which one writes and
// the other reads as fast as they can; or, as the least that a copy costs that is checked, reads
// and makes an HMAC of each value.

// streamPiece is how many bytes are written and read at a time.
const streamPiece = 256 << 10

// sendStream answers one connection after the other on an address with so many bytes. It
// prints the address once it listens.
func sendStream(args []string) error {
	if len(args) != 2 {
		return errors.New("send ADDRESS BYTES")
	}
	total, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	piece := filler(streamPiece + endSize)[:streamPiece]
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		for left := total; left > 0 && err == nil; left -= streamPiece {
			_, err = c.Write(piece[:min(left, streamPiece)])
		}
		if err = errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
}

// receiveStream reads all that an address sends and prints how many bytes came and in how many
// nanoseconds. With a size it makes an HMAC of every so many bytes.
func receiveStream(args []string) error {
	if len(args) != 2 {
		return errors.New("receive ADDRESS SIZE")
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	began := time.Now()
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	h, sum := hmac.New(sha256.New, []byte("a secret of the bench")), make([]byte, 0, sha256.Size)
	total := 0
	for piece := make([]byte, streamPiece); ; {
		n, err := io.ReadFull(c, piece)
		total += n
		for at := 0; size > 0 && at+size <= n; at += size {
			h.Reset()
			h.Write(piece[at : at+size])
			sum = h.Sum(sum[:0])
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	fmt.Println(total, time.Since(began).Nanoseconds())
	return nil
}

// stream measures the rate of one such connection in bytes per second.
func (p *place) stream(ctx context.Context, address string, size int) (float64, error) {
	command := append(p.command(p.self, "receive", address), strconv.Itoa(size))
	out, err := output(ctx, command[0], command[1:]...)
	if err != nil {
		return 0, err
	}
	var bytes, ns float64
	if _, err := fmt.Sscan(out, &bytes, &ns); err != nil {
		return 0, fmt.Errorf("receive said %q: %w", out, err)
	}
	return bytes / ns * 1e9, nil
}
