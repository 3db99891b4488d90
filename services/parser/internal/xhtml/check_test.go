package xhtml

import (
	"strings"
	"testing"
)

const root = `<div xmlns="http://www.w3.org/1999/xhtml">`

// right are texts without fault.
var right = []string{
	root + `a</div>`,
	root + `&lt;</div>`,
	root + `&#160;</div>`,
	root + "\u00a0</div>",
	root + `<p>a</p></div>`,
	root + `<p/>a<br/><hr /></div>`,
	root + `<img src="a.png"/></div>`,
	root + `<img src="#a" alt="b"></img></div>`,
	root + `<img src="data:image/png;base64,AAAA"/></div>`,
	root + `<img src="data:image/svg+xml;base64,AAAA"/></div>`,
	root + `<a name="a"/>b</div>`,
	root + `<a href="http://a.example/?b=c&amp;d">e</a></div>`,
	root + `<a href="#a">b</a><a href="Patient/1">c</a><a href="mailto:a@b.example">d</a><a href="ftp://a">e</a><a href="">f</a></div>`,
	root + `<a href="data:application/pdf;base64,AAAA">b</a><a href="data:image/png;base64,AAAA">b</a><a href="data:text/plain,a">b</a></div>`,
	root + `<a href="javascript.html">b</a><a href="a/javascript:b">c</a><a title="javascript:">d</a></div>`,
	root + `<!-- a --> <!----><!-- -a- &amp; < & -->b</div>`,
	root + `a > b "c" 'd' ]] > ]&gt;</div>`,
	root + `&amp;&quot;&apos;&gt;&#x41;&#65;&#x10FFFF;&#9;&#x000000000000041;</div>`,
	root + `<p class='a' style="color: red" id = "b"
		title="&quot;'">c</p></div>`,
	root + `<table border="0" cellpadding="1"><caption>a</caption><colgroup><col width="1"/></colgroup><thead><tr><th colspan="2" abbr="a">a</th></tr></thead><tbody><tr><td nowrap="nowrap" bgcolor="red">b</td></tr></tbody></table></div>`,
	root + `<ul><li value="1">a</li></ul><ol start="2"><li>b</li></ol><dl><dt>c</dt><dd>d</dd></dl></div>`,
	root + `<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="de" lang="de">a</div></div>`,
	root + `<map name="a"><area shape="rect" coords="0" href="#b" nohref="nohref" alt="c"/></map><img src="d" usemap="#a" ismap="ismap"/></div>`,
	root + `<pre xml:space="preserve"> a </pre></div>`,
	`<div xmlns='http://www.w3.org/1999/xhtml'>a</div>`,
	`<div class="a" xmlns="http://www.w3.org/1999/xhtml" lang="en">a</div>`,
	`<div xmlns="http://www.w3.org/1999/xhtml" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:a="b">a</div>`,
	" \n" + root + "a</div >\r\n\t",
	root + strings.Repeat("<b>", MaxDepth-1) + "a" + strings.Repeat("</b>", MaxDepth-1) + `</div>`,
	root + "\U0001F600\uFFFD\uEFFF</div>",
}

// wrong are texts with a fault; ^ marks its place and is not part of the text.
var wrong = []struct{ text, want string }{
	{`^`, wantRoot},
	{` ^`, wantRoot},
	{`^a`, wantRoot},
	{`^<`, wantRoot},
	{`^<d`, wantRoot},
	{`^<p xmlns="http://www.w3.org/1999/xhtml">a</p>`, wantRoot},
	{`^<DIV xmlns="http://www.w3.org/1999/xhtml">a</DIV>`, wantRoot},
	{`^<h:div xmlns:h="http://www.w3.org/1999/xhtml">a</h:div>`, wantRoot},
	{`^<div>a</div>`, wantRoot},
	{`^<div xmlns:h="http://www.w3.org/1999/xhtml">a</div>`, wantRoot},
	{`^<?xml version="1.0"?>` + root + `a</div>`, wantRoot},
	{`^<!-- a -->` + root + `a</div>`, wantRoot},
	{`^<!DOCTYPE html>` + root + `a</div>`, wantRoot},
	{`<div ^xmlns="http://hl7.org/fhir">a</div>`, wantNamespace},
	{`<div ^xmlns="">a</div>`, wantNamespace},
	{root + `<div ^xmlns="http://hl7.org/fhir">a</div></div>`, wantNamespace},
	{root + `a</div>^b`, wantRoot},
	{root + `a</div>^<!-- b -->`, wantRoot},
	{root + `a</div> ^` + root + `a</div>`, wantRoot},

	{`^` + root + `</div>`, wantContent},
	{" ^" + root + " \t\r\n </div>", wantContent},
	{`^<div xmlns="http://www.w3.org/1999/xhtml"/>`, wantContent},
	{`^` + root + `<p> </p><!-- a --><br/><b title="c"/></div>`, wantContent},
	{`^` + root + `&#32;&#x9;&#10;</div>`, wantContent},
	{`^` + root + `<img alt="a"/></div>`, wantContent},

	{root + `^<P>a</P></div>`, wantElement},
	{root + `^<u>a</u></div>`, wantElement},
	{root + `^<font>a</font></div>`, wantElement},
	{root + `^<center>a</center></div>`, wantElement},
	{root + `^<ins>a</ins></div>`, wantElement},
	{root + `^<h7>a</h7></div>`, wantElement},
	{root + `^<a:b>a</a:b></div>`, wantElement},
	{root + `^<é>a</é></div>`, wantElement},
	{root + `^<script>a</script></div>`, wantInactive},
	{root + `^<script src="a"/></div>`, wantInactive},
	{root + `^<style>a</style></div>`, wantInactive},
	{root + `^<iframe src="a"/></div>`, wantInactive},
	{root + `^<object/></div>`, wantInactive},
	{root + `^<form/></div>`, wantInactive},
	{root + `^<input/></div>`, wantInactive},
	{root + `^<link href="a"/></div>`, wantInactive},
	{root + `^<svg/></div>`, wantInactive},
	{root + `^<body/></div>`, wantInactive},

	{root + `<p ^onclick="a">b</p></div>`, wantInactive},
	{root + `<p ^ONCLICK="a">b</p></div>`, wantInactive},
	{root + `<p ^target="a">b</p></div>`, wantAttribute},
	{root + `<p ^Class="a">b</p></div>`, wantAttribute},
	{root + `<p ^data-a="a">b</p></div>`, wantAttribute},
	{root + `<p ^xlink:href="a">b</p></div>`, wantAttribute},
	{root + `<p ^usemap="a">b</p></div>`, wantAttribute},
	{root + `<p ^xmlns:="a">b</p></div>`, wantAttribute},
	{root + `<p ^xmlns:1="a">b</p></div>`, wantAttribute},
	{root + `<p ^xmlns:a:b="a">b</p></div>`, wantAttribute},
	{root + `<p ^xmlns:é="a">b</p></div>`, wantAttribute},
	{root + `<p ^nohref="nohref">b</p></div>`, wantAttribute},
	{root + `<p xmlns:a="" xmlns:b="" xmlns:c="" xmlns:d="" ^xmlns:e="">b</p></div>`, wantAttribute},

	{root + `<a ^href="javascript:a">b</a></div>`, wantAddress},
	{root + `<p ^href="javascript:a">b</p></div>`, wantAddress},
	{root + `<a ^href=" JavaScript:a">b</a></div>`, wantAddress},
	{root + "<a ^href='java\tscript:a'>b</a></div>", wantAddress},
	{root + `<a ^href="&#106;ava&#x0A;script&#x3a;a">b</a></div>`, wantAddress},
	{root + `<a ^href="vbscript:a">b</a></div>`, wantAddress},
	{root + `<a ^href="data:text/html,a">b</a></div>`, wantAddress},
	{root + `<a ^href="data:,a">b</a></div>`, wantAddress},
	{root + `<a ^href="data:image/svg+xml,a">b</a></div>`, wantAddress},
	{root + `<img ^src="javascript:a"/></div>`, wantAddress},
	{root + `<img ^src="data:text/html,a"/></div>`, wantAddress},
	{root + `<blockquote ^cite="javascript:a">b</blockquote></div>`, wantAddress},

	{root + `a^`, wantClosed},
	{root + `a<p>b^`, wantClosed},
	{root + `<p>a^</div>`, wantClosed},
	{root + `<b><i>a^</b></i></div>`, wantClosed},
	{root + `a^</DIV>`, wantClosed},
	{root + `a^</divs>`, wantClosed},
	{root + `a^</>`, wantClosed},
	{root + `a^</ div>`, wantClosed},
	{root + `a^</div a="b">`, wantTag},
	{root + `a^</div`, wantTag},
	{root + strings.Repeat("<b>", MaxDepth-1) + "^<b>a", wantShallow},

	{root + `<p^`, wantTag},
	{root + `<p ^`, wantTag},
	{root + `<p^/ >a</div>`, wantTag},
	{root + `<p^<b>a</b></p></div>`, wantTag},
	{root + `<p ^="a">b</p></div>`, wantTag},
	{root + `<p class="a"^id="b">c</p></div>`, wantTag},
	{root + `<p ^class>b</p></div>`, wantValue},
	{root + `<p ^class=a>b</p></div>`, wantValue},
	{root + `<p class="a>b^</p></div>`, wantEscaped},
	{root + `<p class="a>b^`, wantValue},
	{root + `<p ^class=`, wantValue},
	{root + `<p class="a" ^class="b">c</p></div>`, wantOnce},
	{root + `<p xmlns:a="a" ^xmlns:a="b">c</p></div>`, wantOnce},
	{root + `<p class="a^<b">c</p></div>`, wantEscaped},
	{root + `a ^< b</div>`, wantEscaped},
	{root + `a^<3</div>`, wantEscaped},
	{root + `a ^& b</div>`, wantEntity},
	{root + `^&nbsp;</div>`, wantEntity},
	{root + `^&reg;</div>`, wantEntity},
	{root + `^&LT;</div>`, wantEntity},
	{root + `^&lt </div>`, wantEntity},
	{root + `^&;</div>`, wantEntity},
	{root + `^&#;</div>`, wantEntity},
	{root + `^&#x;</div>`, wantEntity},
	{root + `^&#X41;</div>`, wantEntity},
	{root + `^&#4a;</div>`, wantEntity},
	{root + `^&#65</div>`, wantEntity},
	{root + `^&`, wantEntity},
	{root + `^&#`, wantEntity},
	{root + `<p class="^&copy;">a</p></div>`, wantEntity},
	{root + `^&#0;</div>`, wantCharacter},
	{root + `^&#x1F;</div>`, wantCharacter},
	{root + `^&#xD800;</div>`, wantCharacter},
	{root + `^&#xFFFE;</div>`, wantCharacter},
	{root + `^&#x110000;</div>`, wantCharacter},
	{root + `^&#99999999999999999999999999;</div>`, wantCharacter},
	{root + "a^\x01</div>", wantCharacter},
	{root + "a^\uFFFE</div>", wantCharacter},
	{root + "a<!-- ^\uFFFF --></div>", wantCharacter},
	{root + "a<!-- ^\x0c --></div>", wantCharacter},
	{root + "<p class='^\x0b'>a</p></div>", wantCharacter},
	{root + "<p class='^\uFFFF'>a</p></div>", wantCharacter},
	{root + `a^]]></div>`, wantBrackets},
	{root + `a^<!-- b`, wantComment},
	{root + `a^<!--`, wantComment},
	{root + `a^<!-- b -- c --></div>`, wantComment},
	{root + `a^<!-- b ---></div>`, wantComment},
	{root + `a^<!--> <script>b</script> --></div>`, wantComment},
	{root + `a^<!---> <script>b</script> --></div>`, wantComment},
	{root + `a^<![CDATA[b]]></div>`, wantMarkup},
	{root + `a^<!DOCTYPE html></div>`, wantMarkup},
	{root + `a^<?php b ?></div>`, wantMarkup},
}

func TestRight(t *testing.T) {
	t.Parallel()
	for _, text := range right {
		if at, fault := Check([]byte(text)); fault != "" {
			t.Errorf("%.200q: got %q at %d, want it right", text, fault, at)
		}
	}
}

func TestWrong(t *testing.T) {
	t.Parallel()
	for _, test := range wrong {
		before, after, ok := strings.Cut(test.text, "^")
		if !ok {
			t.Errorf("%q has no mark", test.text)
		}
		at, fault := Check([]byte(before + after))
		if fault != test.want || at != len(before) {
			t.Errorf("%.200q: got %q at %d, want %q at %d", test.text, fault, at, test.want, len(before))
		}
	}
}

// TestNames: numbers of attributes are bits of a word.
func TestNames(t *testing.T) {
	t.Parallel()
	if got := len(attributeNames); got > 64 {
		t.Errorf("got %d attributes, want at most 64", got)
	}
	if got := len(elements); got != len(elementNames) {
		t.Errorf("got %d elements of different name, want %d", got, len(elementNames))
	}
	if got := len(attributes); got != len(attributeNames) {
		t.Errorf("got %d attributes of different name, want %d", got, len(attributeNames))
	}
	for name := range refused {
		if _, ok := elements[name]; ok {
			t.Errorf("%s is allowed and refused", name)
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	var texts [][]byte
	for _, text := range right {
		texts = append(texts, []byte(text))
	}
	for _, test := range wrong {
		texts = append(texts, []byte(strings.Replace(test.text, "^", "", 1)))
	}
	if n := testing.AllocsPerRun(10, func() {
		for _, text := range texts {
			Check(text)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}
