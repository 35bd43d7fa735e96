package prompt

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWAVSurvivesWritingAndReading(t *testing.T) {
	pcm := []int16{0, 1, -1, 32767, -32768, 1234}
	for _, rate := range WAVRates {
		got, samples, err := ReadWAV(WriteWAV(rate, pcm), make([]int16, 100))
		require.NoError(t, err)
		require.Equal(t, rate, got)
		require.Equal(t, pcm, samples)
	}
}

// with returns a good file with two bytes replaced.
func with(at int, value uint16) []byte {
	wav := WriteWAV(16000, make([]int16, 8))
	binary.LittleEndian.PutUint16(wav[at:], value)
	return wav
}

func TestWAVThatCannotBeUsed(t *testing.T) {
	good := WriteWAV(16000, make([]int16, 8))
	riff := func(parts ...byte) []byte { return append([]byte("RIFF\x00\x00\x00\x00WAVE"), parts...) }
	cases := map[string]struct {
		data []byte
		says string
	}{
		"nothing":           {nil, "not a WAV file"},
		"text":              {[]byte("id: welcome, and more words"), "not a WAV file"},
		"another RIFF":      {append([]byte("RIFF\x00\x00\x00\x00AVI "), good[12:]...), "not a WAV file"},
		"no parts":          {riff(), "no samples"},
		"no samples":        {good[:36], "no samples"},
		"samples first":     {riff('d', 'a', 't', 'a', 2, 0, 0, 0, 1, 1), "format part is missing"},
		"short format":      {riff('f', 'm', 't', ' ', 4, 0, 0, 0, 1, 0, 1, 0), "format part is cut off"},
		"cut in samples":    {good[:50], "cut off in its \"data\" part"},
		"size beyond file":  {with(42, 0xFFFF), "cut off"},
		"stereo":            {with(22, 2), "2 channels"},
		"no channel":        {with(22, 0), "0 channels"},
		"8 bit":             {with(34, 8), "8-bit"},
		"24 bit":            {with(34, 24), "24-bit"},
		"mu-law":            {with(20, 7), "format tag 7"},
		"float":             {with(20, 3), "format tag 3"},
		"11025 Hz":          {with(24, 11025), "11025 Hz"},
		"GSM in WAV":        {with(20, 0x31), "format tag 49"},
		"44100 Hz":          {with(24, 44100), "44100 Hz"},
		"extensible, short": {with(20, waveExtensible), "format tag 65534"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, samples, err := ReadWAV(c.data, nil)
			require.ErrorContains(t, err, c.says)
			require.Empty(t, samples)
		})
	}
}

func TestWAVWithOtherPartsAndExtensibleFormat(t *testing.T) {
	format := make([]byte, 40)
	binary.LittleEndian.PutUint16(format, waveExtensible)
	binary.LittleEndian.PutUint16(format[2:], 1)
	binary.LittleEndian.PutUint32(format[4:], 48000)
	binary.LittleEndian.PutUint16(format[14:], 16)
	binary.LittleEndian.PutUint16(format[24:], wavePCM)
	file := []byte("RIFF\x00\x00\x00\x00WAVE" + "LIST\x03\x00\x00\x00abc\x00" + "fmt \x28\x00\x00\x00")
	file = append(append(file, format...), "data\x05\x00\x00\x00\x01\x00\x02\x00\x03"...)
	rate, samples, err := ReadWAV(file, nil)
	require.NoError(t, err)
	require.Equal(t, 48000, rate)
	require.Equal(t, []int16{1, 2}, samples, "half a sample is none")
}

// A recording that nobody finished: its header has no sizes yet, or says as much as can be.
func TestRecordingWhoseWriterWasStopped(t *testing.T) {
	whole := WriteWAV(8000, []int16{1, 2, 3, 4})
	resized := func(file, samples uint32) []byte {
		b := slices.Clone(whole)
		binary.LittleEndian.PutUint32(b[4:], file)
		binary.LittleEndian.PutUint32(b[40:], samples)
		return b
	}
	silent := append(WriteWAV(8000, nil), "LIST\x04\x00\x00\x00abcd"...)
	silent[4] += 12
	for name, c := range map[string]struct {
		data  []byte
		want  []int16
		whole bool
	}{
		"finished":                       {whole, []int16{1, 2, 3, 4}, true},
		"without sizes":                  {resized(0, 0), []int16{1, 2, 3, 4}, false},
		"sizes of a header alone":        {resized(36, 0), []int16{1, 2, 3, 4}, false},
		"written to a pipe":              {resized(0xFFFFFFFF, 0xFFFFFFFF), []int16{1, 2, 3, 4}, false},
		"the end is missing":             {whole[:len(whole)-3], []int16{1, 2}, false},
		"of no length, with a part more": {silent, nil, true},
		"44100 Hz":                       {WriteWAV(44100, []int16{5}), []int16{5}, true},
	} {
		rate, samples, whole, err := ReadRecording(c.data)
		require.NoError(t, err, name)
		require.Contains(t, []int{8000, 44100}, rate, name)
		require.Equal(t, c.want, samples, name)
		require.Equal(t, c.whole, whole, name)
		_, _, err = ReadWAV(c.data, nil)
		require.Equal(t, c.whole && rate == 8000, err == nil, "a master is whole: %s", name)
	}
}

// Whatever is read is mono at an allowed rate, no longer than the file, and writes
// and reads back the same.
func FuzzReadWAV(f *testing.F) {
	f.Add(WriteWAV(16000, []int16{1, 2, 3}))
	f.Add(with(24, 48000))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEdata\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		hz, recorded, whole, unread := ReadRecording(data)
		require.LessOrEqual(t, 2*len(recorded), len(data))
		rate, samples, err := ReadWAV(data, nil)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.NoError(t, unread)
		require.True(t, whole && hz == rate && slices.Equal(samples, recorded), "a recording is read as a master is")
		require.Contains(t, WAVRates, rate)
		require.LessOrEqual(t, 2*len(samples), len(data))
		again, same, err := ReadWAV(WriteWAV(rate, samples), nil)
		require.NoError(t, err)
		require.Equal(t, rate, again)
		require.Equal(t, len(samples), len(same))
		for i := range samples {
			require.Equal(t, samples[i], same[i])
		}
	})
}
