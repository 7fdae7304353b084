package payload

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxUnpacked bounds what a damaged file may make of little.
const maxUnpacked = 64 << 20

var (
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd} // how zstd begins, and JSON does not

	packer = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(128<<10), zstd.WithLowerEncoderMem(true))
	})
	unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderLowmem(true))
	})
)

// Pack compresses what JSON made, if that makes it shorter. Bodies are written much
// more often than they are read.
func Pack(raw []byte) ([]byte, error) {
	z, err := packer()
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	short := z.EncodeAll(raw, (*room)[:0])
	if cap(short) <= maxRoom {
		*room = short
	}
	if len(short) >= len(raw) {
		return raw, nil
	}
	return bytes.Clone(short), nil
}

// Unpack takes back Pack. Older bodies never were compressed.
func Unpack(raw []byte) ([]byte, error) {
	if !bytes.HasPrefix(raw, zstdMagic) {
		return raw, nil
	}
	z, err := unpacker()
	if err == nil {
		raw, err = z.DecodeAll(raw, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return raw, nil
}
