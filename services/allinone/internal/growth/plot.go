package growth

import (
	"fmt"
	"math"
	"strings"
)

// Measures of the plot, in its own units.
const (
	plotWidth, plotHeight     = 800, 300
	panelWidth, panelHeight   = 320, 200
	panelTop, leftX, rightX   = 40, 60, 460
	labelsBelow, legendBelow  = 16, 44
	legendSpacing, legendMark = 62, 9
)

// Colours that can be told apart, also by the colour-blind, on white and on black (Okabe and Ito).
var colours = map[string]string{
	"rate": "#0072b2", "fetcher": "#e69f00", "nats-server": "#56b4e9", "parser": "#009e73", "writer": "#cc79a7", "postgres": "#0072b2",
}

const plotStyle = `<style>
text { font: 11px sans-serif; fill: #333 } .title { font-weight: bold } .end { text-anchor: end } .middle { text-anchor: middle }
line { stroke: #999; stroke-width: 1 } .grid { stroke-opacity: .35 } .least { stroke: #d55e00; stroke-dasharray: 5 3 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } }
</style>
`

// panel is one set of axes with a bar for each step.
type panel struct {
	strings.Builder
	x   float64 // of its left side
	top float64 // value at its upper side
}

// SVG is the plot: rates step by step, and CPU time beside it. least is a share of the second
// step's rate to draw a line at; 0 is none.
func (r *Report) SVG(least float64) []byte {
	rates := panel{x: leftX}
	var highest float64
	for _, s := range r.Steps {
		highest = max(highest, s.Rate)
	}
	rates.axes("resources/s", highest)
	for i, s := range r.Steps {
		rates.bar(i, len(r.Steps), 0, s.Rate, colours["rate"])
	}
	if least > 0 && len(r.Steps) > 1 {
		rates.level(least*r.Steps[1].Rate, fmt.Sprintf("%.2f of the second", least))
	}
	rates.steps(r.Steps)

	costs := panel{x: rightX}
	highest = 0
	for _, s := range r.Steps {
		highest = max(highest, s.total())
	}
	costs.axes("CPU seconds per million", highest)
	for i, s := range r.Steps {
		var below float64
		for _, p := range processes {
			costs.bar(i, len(r.Steps), below, below+s.CPU[p], colours[p])
			below += s.CPU[p]
		}
	}
	costs.steps(r.Steps)
	costs.legend()
	return fmt.Appendf(nil, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\">\n"+
		"<title>Rate and CPU time while the tables grow</title>\n%s%s%s</svg>\n",
		plotWidth, plotHeight, plotStyle, rates.String(), costs.String())
}

// total is the CPU time of all processes, in seconds for a million resources.
func (s Step) total() (sum float64) {
	for _, p := range processes {
		sum += s.CPU[p]
	}
	return sum
}

// y is where a value is drawn.
func (p *panel) y(value float64) float64 { return panelTop + panelHeight*(1-value/p.top) }

// axes begins the panel, with a scale from 0 to at least highest.
func (p *panel) axes(title string, highest float64) {
	tick := tickFor(highest)
	p.top = tick * max(math.Ceil(highest/tick), 1)
	fmt.Fprintf(&p.Builder, "<text class=\"title\" x=\"%.0f\" y=\"%d\">%s</text>\n", p.x, panelTop-16, title)
	for i := 0.0; i*tick <= p.top; i++ {
		y := p.y(i * tick)
		fmt.Fprintf(&p.Builder, "<line class=\"grid\" x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\"/>\n", p.x, y, p.x+panelWidth, y)
		fmt.Fprintf(&p.Builder, "<text class=\"end\" x=\"%.0f\" y=\"%.1f\">%s</text>\n", p.x-6, y+4, short(i*tick))
	}
}

// tickFor is the distance of about five ticks: 1, 2 or 5 times a power of ten.
func tickFor(highest float64) float64 {
	if highest <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(highest/5)))
	for _, m := range []float64{1, 2, 5} {
		if highest/5 <= m*power {
			return m * power
		}
	}
	return 10 * power
}

// bar draws the n-th of so many, from one value to another.
func (p *panel) bar(n, of int, from, to float64, colour string) {
	width := float64(panelWidth) / float64(of)
	fmt.Fprintf(&p.Builder, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n",
		p.x+(float64(n)+.15)*width, p.y(to), .7*width, p.y(from)-p.y(to), colour)
}

// level draws a line across the panel.
func (p *panel) level(value float64, label string) {
	fmt.Fprintf(&p.Builder, "<line class=\"least\" x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\"/>\n", p.x, p.y(value), p.x+panelWidth, p.y(value))
	fmt.Fprintf(&p.Builder, "<text class=\"end\" x=\"%.0f\" y=\"%d\">- - %s</text>\n", p.x+panelWidth, panelTop-16, label)
}

// steps writes below the panel how many resources there are after each step, as far as there is room.
func (p *panel) steps(steps []Step) {
	every := (len(steps) + 9) / 10
	width := float64(panelWidth) / float64(len(steps))
	for i := every - 1; i < len(steps); i += every {
		fmt.Fprintf(&p.Builder, "<text class=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>\n",
			p.x+(float64(i)+.5)*width, panelTop+panelHeight+labelsBelow, short(float64(steps[i].Resources)))
	}
}

func (p *panel) legend() {
	y := panelTop + panelHeight + legendBelow
	for i, name := range processes {
		x := int(p.x) + i*legendSpacing
		fmt.Fprintf(&p.Builder, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", x, y-legendMark, legendMark, legendMark, colours[name])
		fmt.Fprintf(&p.Builder, "<text x=\"%d\" y=\"%d\">%s</text>\n", x+legendMark+3, y, strings.TrimSuffix(name, "-server"))
	}
}

// short writes a number in thousands or millions where it is that large.
func short(value float64) string {
	switch {
	case value >= 1e6:
		return fmt.Sprintf("%.3gM", value/1e6)
	case value >= 1e3:
		return fmt.Sprintf("%.3gk", value/1e3)
	default:
		return fmt.Sprintf("%.3g", value)
	}
}
