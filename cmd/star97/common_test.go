package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"star97/internal/config"
)

func TestALogTellsDurationsWithTheirUnit(t *testing.T) {
	for format, want := range map[string]string{"json": `"limit":"1m0s"`, "text": "limit=1m0s"} {
		var b strings.Builder
		log, _ := newLogger(&b, config.Log{Level: "info", Format: format})
		log.Info("draining", "limit", time.Minute)
		require.Contains(t, b.String(), want)
	}
}
