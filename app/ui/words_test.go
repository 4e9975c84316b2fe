package ui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
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

// TestEverySentenceOfTheSessionIsTranslated finds the constants that are sentences in the session's code.
func TestEverySentenceOfTheSessionIsTranslated(t *testing.T) {
	_, ja := bothLanguages(t)
	found := 0
	for _, name := range []string{"condition.go", "governor_words.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "../session/"+name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			if said, _ := strconv.Unquote(literal.Value); strings.HasSuffix(said, ".") || strings.HasSuffix(said, "?") {
				found++
				if ja.tell(said) == said {
					t.Errorf("%s says %q, which is not in Japanese", name, said)
				}
			}
			return true
		})
	}
	if found < 15 {
		t.Errorf("found only %d sentences: the search is broken", found)
	}
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
