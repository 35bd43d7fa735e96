package prompt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Values of the format tag of a WAVE "fmt " chunk.
const (
	wavePCM        = 0x0001
	waveExtensible = 0xFFFE
)

// WAVRates are the sample rates a master may have. 8000 Hz is what sound packs of
// telephone systems have; it is played as it is.
var WAVRates = []int{8000, 16000, 24000, 32000, 48000}

// ReadWAV decodes a RIFF WAVE file of 16-bit mono PCM at one of WAVRates. Samples
// are appended to pcm[:0]. An error is one sentence that names what is wrong.
//
// Nothing else is read: no samples without a header (.sln, .sln16, .raw, .ulaw,
// .alaw), no compressed ones (.gsm, .g722, .mp3, .ogg, WAV with GSM or mu-law inside),
// no stereo. sox makes of each what is read: sox in.gsm -r 8000 -c 1 -b 16 out.wav
func ReadWAV(data []byte, pcm []int16) (rate int, samples []int16, err error) {
	rate, body, whole, err := readParts(data)
	switch {
	case err != nil:
		return 0, nil, err
	case !slices.Contains(WAVRates, rate):
		return 0, nil, fmt.Errorf("the sample rate is %d Hz, not 8000, 16000, 24000, 32000 or 48000", rate)
	case !whole:
		return 0, nil, errors.New("the file is cut off in its \"data\" part")
	}
	return rate, appendSamples(pcm[:0], body), nil
}

// ReadRecording decodes what ReadWAV does at any rate, and also a file whose writer was stopped
// or is still at work: without sizes in its header, or with an end that is missing. What is
// there are its samples, and whole is false.
func ReadRecording(data []byte) (rate int, samples []int16, whole bool, err error) {
	rate, body, whole, err := readParts(data)
	if err != nil {
		return 0, nil, false, err
	}
	return rate, appendSamples(nil, body), whole, nil
}

// readParts finds the format and the samples. They are not whole where less is there than the
// header says, or where it does not say yet: then all that follows is taken for them.
func readParts(data []byte) (rate int, body []byte, whole bool, err error) {
	if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WAVE" {
		return 0, nil, false, errors.New("the file is not a WAV file")
	}
	unsaid := int64(binary.LittleEndian.Uint32(data[4:]))+9 < int64(len(data))
	formatted := false
	for rest := data[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), int64(binary.LittleEndian.Uint32(rest[4:]))
		rest = rest[8:]
		switch {
		case name == "data" && !formatted:
			return 0, nil, false, errors.New("the format part is missing before the samples")
		case name == "data" && (size > int64(len(rest)) || size == 0 && unsaid):
			return rate, rest, false, nil
		case name == "data":
			return rate, rest[:size], true, nil
		case size > int64(len(rest)):
			return 0, nil, false, fmt.Errorf("the file is cut off in its %q part", name)
		case name == "fmt ":
			if rate, err = readFormat(rest[:size]); err != nil {
				return 0, nil, false, err
			}
			formatted = true
		}
		rest = rest[min(size+size%2, int64(len(rest))):] // chunks are padded to even length
	}
	return 0, nil, false, errors.New("the file has no samples")
}

// appendSamples reads 16-bit samples; half a one at the end is none.
func appendSamples(pcm []int16, body []byte) []int16 {
	for i := 0; i+1 < len(body); i += 2 {
		pcm = append(pcm, int16(binary.LittleEndian.Uint16(body[i:])))
	}
	return pcm
}

func readFormat(body []byte) (rate int, err error) {
	if len(body) < 16 {
		return 0, errors.New("the format part is cut off")
	}
	tag := binary.LittleEndian.Uint16(body)
	if tag == waveExtensible && len(body) >= 26 {
		tag = binary.LittleEndian.Uint16(body[24:]) // first field of the SubFormat GUID
	}
	channels := binary.LittleEndian.Uint16(body[2:])
	rate = int(binary.LittleEndian.Uint32(body[4:]))
	bits := binary.LittleEndian.Uint16(body[14:])
	switch {
	case tag != wavePCM || bits != 16:
		return 0, fmt.Errorf("the samples are %d-bit with format tag %d, not 16-bit PCM", bits, tag)
	case channels != 1:
		return 0, fmt.Errorf("the file has %d channels, not one", channels)
	}
	return rate, nil
}

// WriteWAV encodes 16-bit mono PCM as a RIFF WAVE file without any further chunk,
// so that equal samples make equal files.
func WriteWAV(rate int, pcm []int16) []byte {
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a Buffer cannot fail
	b.WriteString("RIFF")
	put(uint32(36 + 2*len(pcm)))
	b.WriteString("WAVEfmt ")
	put(uint32(16))
	put([]uint16{wavePCM, 1})
	put([]uint32{uint32(rate), uint32(2 * rate)})
	put([]uint16{2, 16})
	b.WriteString("data")
	put(uint32(2 * len(pcm)))
	put(pcm)
	return b.Bytes()
}
