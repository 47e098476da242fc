"""The style sheet of the report: light and dark, wide and narrow, screen and paper."""

from __future__ import annotations

STYLE = """
:root{--paper:#fff;--ink:#1c2430;--soft:#5b6675;--line:#d6dce4;--track:#eef1f5;--link:#0b5cad;
--pass:#2f6fbd;--false:#c4552d;--auto:#2b8a6b;--band:#2f6fbd33}
@media (prefers-color-scheme:dark){:root{--paper:#14181e;--ink:#e4e8ee;--soft:#9aa6b5;--line:#333c48;--track:#222932;
--link:#7db7f2;--pass:#5b97dd;--false:#e0805a;--auto:#4db391;--band:#5b97dd44}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:1rem}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}
h2{font-size:1.25rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.2rem;
overflow-wrap:anywhere}
h3{font-size:1rem;margin:1.4rem 0 .3rem;overflow-wrap:anywhere}
h3:target{color:var(--link)}
a{color:var(--link)}
td a,svg a{color:inherit;text-decoration:none}
td a:hover,td a:focus{text-decoration:underline}
pre{background:var(--track);padding:.6rem .8rem;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem;margin:0}
small{color:var(--soft);font-size:.82em;white-space:nowrap}
.note{color:var(--soft);font-size:.9rem;margin:.3rem 0 1.2rem}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:1rem 1.6rem;margin:1rem 0}
.plot{margin:0;max-width:420px}
.plot figcaption{font-weight:600;font-size:.95rem;margin-bottom:.2rem}
.plot svg{display:block;width:100%;height:auto}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}
svg .axis,svg .count{fill:var(--soft);font-size:11px}
svg .level,svg .value{font-weight:600}
svg .count{font-weight:400}
.track{fill:var(--track)}.pass{fill:var(--pass)}.false{fill:var(--false)}.auto{fill:var(--auto)}
.tick{stroke:var(--line);stroke-width:1}
.whisker{stroke:var(--ink);stroke-width:1.4}
.mean{stroke:var(--ink);stroke-width:2}.band{fill:var(--band)}
.dot{stroke:var(--pass);stroke-width:1.4}.dot.passed{fill:var(--pass)}.dot.missed{fill:var(--paper)}
.dot.ungraded{fill:var(--soft);stroke:var(--soft)}
.key.passed,.key.missed{color:var(--pass)}.key.ungraded{color:var(--soft)}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.2rem 0}
th,td{padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{color:var(--soft);font-weight:500;vertical-align:bottom}
tbody th{font-weight:500}
td small{display:inline-block}
dl{margin:0}dt{font-weight:600}dd{margin:0 0 .5rem}
.card td{overflow-wrap:anywhere}
.card dl{display:grid;grid-template-columns:max-content 1fr;gap:0 .8rem}
.card dl dt{font-weight:400;color:var(--soft)}.card dl dd{margin:0}
.card hr{border:0;border-top:1px dashed var(--line);margin:.3rem 0}
@media (max-width:600px){main{padding:.6rem}table{font-size:.76rem}th,td{padding-right:.35rem}
td small{display:block;white-space:normal}
.card dl{display:block}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--track:#eee;--link:#000;--pass:#2f6fbd;
--false:#c4552d;--auto:#2b8a6b}
body{font-size:11px}main{max-width:none;padding:0}.scroll{overflow:visible}table{font-size:9px}th,td{padding-right:.35rem}
.plots{grid-template-columns:repeat(3,1fr)}.plot,tr{break-inside:avoid}h2,h3,caption{break-after:avoid}}
"""
