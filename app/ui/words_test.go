package ui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gasso/audio/device"
)

func bothLanguages(t *testing.T) (en, ja *words) {
	t.Helper()
	en, err := loadWords("en")
	if err != nil {
		t.Fatal(err)
	}
	if ja, err = loadWords("ja"); err != nil {
		t.Fatal(err)
	}
	return en, ja
}

func TestLanguagesHaveTheSameKeysAndPlaceholders(t *testing.T) {
	en, ja := bothLanguages(t)
	holes := regexp.MustCompile(`\{[a-z]+\}`)
	for _, pair := range [][2]*words{{en, ja}, {ja, en}} {
		for key, text := range pair[0].texts {
			other, ok := pair[1].texts[key]
			if !ok || strings.TrimSpace(text) == "" {
				t.Errorf("%s: key %q is empty or missing in %s", pair[0].language, key, pair[1].language)
			}
			a, b := holes.FindAllString(text, -1), holes.FindAllString(other, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("key %q: placeholders %v and %v", key, a, b)
			}
		}
	}
}

func TestEveryKeyInCodeExistsAndEveryKeyIsUsed(t *testing.T) {
	en, _ := bothLanguages(t)
	used := map[string]bool{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			name, isSelector := call.Fun.(*ast.SelectorExpr)
			literal, isLiteral := call.Args[0].(*ast.BasicLit)
			if isSelector && name.Sel.Name == "say" && isLiteral {
				key, _ := strconv.Unquote(literal.Value)
				used[key] = true
				if _, ok := en.texts[key]; !ok {
					t.Errorf("%s uses key %q, which no language has", f.Name(), key)
				}
			}
			return true
		})
	}
	if len(used) < 50 {
		t.Fatalf("found only %d keys in the code: the search is broken", len(used))
	}
	for key := range en.texts {
		if !used[key] && !strings.HasPrefix(key, "fyne.") && !strings.HasPrefix(key, "said.") {
			t.Errorf("key %q is used nowhere", key)
		}
	}
}

func TestWhatTheServerSaysIsTranslatedSentenceBySentence(t *testing.T) {
	en, ja := bothLanguages(t)
	said := "The server cannot be reached. Trying again in 12 s."
	if got := en.tell(said); got != said {
		t.Errorf("English changed to %q", got)
	}
	if got := ja.tell(said); got != "サーバーに接続できません。 12 秒後にもう一度接続します。" {
		t.Errorf("Japanese is %q", got)
	}
	noSound := "open input: open sound device: open microphone: " + device.ErrNoSound.Error()
	if got := en.tell(noSound); got != "The microphone cannot be opened: no sound device was found on this computer" {
		t.Errorf("without a sound device English is %q", got)
	}
	if got := ja.tell(noSound); got != "マイクを開けません: このコンピューターに音声機器が見つかりません" {
		t.Errorf("without a sound device Japanese is %q", got)
	}
	if got := ja.tell(`server "ftp://a" is no http or https address`); !strings.HasPrefix(got, "サーバーのアドレス「ftp://a」は使えません。") {
		t.Errorf("a bad address became %q", got)
	}
	channel := `open input: open sound device: the device has no such channel: "Box" has 2, so there is no channel 5`
	if got := ja.tell(channel); got != "「Box」にそのチャンネルはありません。チャンネルを選び直してください" {
		t.Errorf("a missing channel became %q", got)
	}
	if got := en.tell(channel); got != "Box has fewer channels; choose another channel" {
		t.Errorf("a missing channel became %q", got)
	}
	if got := ja.tell("Something new."); got != "Something new." {
		t.Errorf("an unknown sentence became %q", got)
	}
}

// saysToPerformers are the folders and files in which a sentence may be one that the window shows.
var saysToPerformers = []string{
	"../session/*.go", "../spool/*.go", "../../net/signaling/*.go", "../../server/room/*.go", "../../server/journal/keeper.go",
	"../../server/hls/*.go", "../../server/broadcast.go",
}

// TestEverySentenceForPerformersIsTranslated finds what are sentences in the code of the session, and of
// the server as far as it speaks to performers.
func TestEverySentenceForPerformersIsTranslated(t *testing.T) {
	_, ja := bothLanguages(t)
	verbs := strings.NewReplacer("%d", "12", "%.0f", "12", "%q", `"X"`, "%s", "X", "%v", "X")
	english := regexp.MustCompile("[A-Za-z']+ [a-z']+ [a-z']+")
	for _, pattern := range saysToPerformers {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		found := 0
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, said := range sentencesIn(t, name) {
				found++
				if told := ja.tell(verbs.Replace(said)); english.MatchString(told) {
					t.Errorf("%s says %q, of which this is not in Japanese: %q", name, said, told)
				}
			}
		}
		if least := map[string]int{"../session/*.go": 25, "../../server/room/*.go": 50}[pattern]; found <= least {
			t.Errorf("%s: found only %d sentences: the search is broken", pattern, found)
		}
	}
}

// sentencesIn are the constants in a file that are a sentence or the beginning of one.
func sentencesIn(t *testing.T, name string) (said []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(`(?s)^([A-Za-z%].* .* .*[.?]|[A-Z].* .* .*: (%v)?)$`)
	ast.Inspect(parsed, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, _ := strconv.Unquote(literal.Value); whole.MatchString(text) {
				said = append(said, text)
			}
		}
		return true
	})
	return said
}

func TestLanguageComesFromTheFirstWish(t *testing.T) {
	for _, c := range []struct {
		wishes []string
		want   string
	}{{[]string{"ja", "en"}, "ja"}, {[]string{"", "en"}, "en"}, {[]string{"", "ja-JP"}, "ja"}} {
		if got := pickLanguage(c.wishes...); got != c.want {
			t.Errorf("pickLanguage(%q) = %q, want %q", c.wishes, got, c.want)
		}
	}
	t.Setenv("LC_ALL", "")
	t.Setenv("LANGUAGE", "")
	t.Setenv("LC_MESSAGES", "")
	t.Setenv("LANG", "ja_JP.UTF-8")
	if got := pickLanguage("", ""); got != "ja" {
		t.Errorf("under LANG=ja_JP.UTF-8 the language is %q", got)
	}
}
