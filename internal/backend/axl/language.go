package axl

import "strings"

// language is the BCP 47 tag of a user locale as "English United States", or "English,
// United States": a language and a country as the system's tables name them. It is the
// language alone where the country is not known, and empty for another language.
func language(locale string) string {
	name, country, _ := strings.Cut(strings.ToLower(locale), " ")
	tag := languages[strings.TrimSuffix(name, ",")]
	if region := regions[strings.TrimSpace(country)]; tag != "" && region != "" {
		return tag + "-" + region
	}
	return tag
}

var languages = map[string]string{
	"arabic": "ar", "bulgarian": "bg", "catalan": "ca", "chinese": "zh", "croatian": "hr", "czech": "cs", "danish": "da",
	"dutch": "nl", "english": "en", "estonian": "et", "finnish": "fi", "french": "fr", "german": "de", "greek": "el",
	"hebrew": "he", "hungarian": "hu", "indonesian": "id", "italian": "it", "japanese": "ja", "korean": "ko", "latvian": "lv",
	"lithuanian": "lt", "norwegian": "nb", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru",
	"serbian": "sr", "slovak": "sk", "slovenian": "sl", "spanish": "es", "swedish": "sv", "thai": "th", "turkish": "tr",
	"ukrainian": "uk", "vietnamese": "vi",
}

// regions are those of ISO 3166-1 by the names of the system's list of countries.
var regions = map[string]string{
	"argentina": "AR", "australia": "AU", "austria": "AT", "belgium": "BE", "brazil": "BR", "bulgaria": "BG", "canada": "CA",
	"chile": "CL", "china": "CN", "colombia": "CO", "croatia": "HR", "czech republic": "CZ", "denmark": "DK", "egypt": "EG",
	"estonia": "EE", "finland": "FI", "france": "FR", "germany": "DE", "greece": "GR", "hong kong": "HK", "hungary": "HU",
	"india": "IN", "indonesia": "ID", "ireland": "IE", "israel": "IL", "italy": "IT", "japan": "JP", "korea republic": "KR",
	"latvia": "LV", "lithuania": "LT", "luxembourg": "LU", "mexico": "MX", "netherlands": "NL", "new zealand": "NZ",
	"norway": "NO", "peru": "PE", "poland": "PL", "portugal": "PT", "republic of serbia": "RS", "romania": "RO",
	"russian federation": "RU", "saudi arabia": "SA", "singapore": "SG", "slovakia": "SK", "slovenia": "SI",
	"south africa": "ZA", "spain": "ES", "sweden": "SE", "switzerland": "CH", "taiwan": "TW", "thailand": "TH", "turkey": "TR",
	"ukraine": "UA", "united arab emirates": "AE", "united kingdom": "GB", "united states": "US", "venezuela": "VE",
	"vietnam": "VN",
}
