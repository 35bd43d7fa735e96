package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"star97/internal/dialplan"
)

// What no route leads to need not be ready.
func TestLanguagesAreThoseOfTheRoutes(t *testing.T) {
	plan := dialplan.Default()
	plan.Routes = []dialplan.Route{{Number: "1"}, {Number: "2", Language: "de-DE"}, {Number: "3", Language: "de-DE"}}
	require.Equal(t, []string{"", "de-DE"}, languages(plan))
	plan.Routes = append(plan.Routes, dialplan.Route{Number: "4", Layout: "attendant", Language: "en-GB"})
	require.Equal(t, []string{"", "de-DE", "en-GB", "es-ES", "fr-FR"}, languages(plan))
}
