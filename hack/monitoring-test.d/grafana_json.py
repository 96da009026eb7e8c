"""How a dashboard of Grafana is put together: panels in a grid, queries, variables, annotations."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What Grafana calls the version of this JSON; `@grafana/schema` says which is the newest.
SCHEMA_VERSION = 42
WIDTH = 24


def query(expr, legend="", heatmap=False, instant=False):
    """One query of a panel. `legend` has Grafana's {{label}}."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expr,
        "format": "heatmap" if heatmap else "time_series",
        "legendFormat": legend,
        "range": not instant,
        "instant": instant,
    }


def _panel(kind, title, description, unit, queries, options, width, height, custom=None, **more):
    defaults = {"unit": unit}
    for key in ("min", "max", "decimals", "noValue"):
        if key in more:
            defaults[key] = more[key]
    if custom is not None:
        defaults["custom"] = custom
    panel = {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "fieldConfig": {"defaults": defaults, "overrides": more.get("overrides", [])},
        "options": options,
        "targets": [dict(q, refId=chr(ord("A") + i)) for i, q in enumerate(queries)],
    }
    if "thresholds" in more:
        steps = [{"value": None, "color": "green"}]
        steps += [{"value": value, "color": color} for value, color in more["thresholds"]]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if "interval" in more:
        panel["interval"] = more["interval"]
    return panel


def series(title, description, unit, *queries, width=12, height=8, stack=False, step=False, points=False, **more):
    """Lines over time, with the last and the largest value in the legend."""
    custom = {
        "drawStyle": "points" if points else "line",
        "lineInterpolation": "stepAfter" if step else "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if stack else 0,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stack else "none"},
    }
    if "log" in more:
        custom["scaleDistribution"] = {"type": "log", "log": more["log"]}
    options = {
        "legend": {
            "calcs": ["lastNotNull", "max"],
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, description, unit, queries, options, width, height, custom, **more)


def number(title, description, unit, *queries, width=4, height=4, **more):
    """The newest value, large, with a small line behind it."""
    options = {
        "colorMode": "value" if "thresholds" in more else "none",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    }
    return _panel("stat", title, description, unit, queries, options, width, height, **more)


def heatmap(title, description, unit, expr, width=12, height=8, **more):
    """Buckets of a histogram over time; the expression is summed by (le)."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "exponent": 0.5,
            "fill": "dark-orange",
            "mode": "scheme",
            "reverse": False,
            "scale": "exponential",
            "scheme": "Oranges",
            "steps": 64,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "unit": unit},
    }
    queries = [query(expr, "{{le}}", heatmap=True)]
    return _panel("heatmap", title, description, unit, queries, options, width, height, **more)


def row(title):
    """A heading; what follows it stands beneath it."""
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": WIDTH, "h": 1}}


def dashed(name):
    """Draws the series `name` (a regular expression) as a dashed line: a limit."""
    return {
        "matcher": {"id": "byRegexp", "options": name},
        "properties": [
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [10, 10]}},
            {"id": "custom.fillOpacity", "value": 0},
        ],
    }


def on_the_right(name, unit):
    """Gives the series `name` (a regular expression) the axis on the right, in `unit`."""
    return {
        "matcher": {"id": "byRegexp", "options": name},
        "properties": [{"id": "custom.axisPlacement", "value": "right"}, {"id": "unit", "value": unit}],
    }


def source():
    """The variable that says which Prometheus is asked."""
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "refresh": 1,
    }


def variable(name, label, description, values, anything=False):
    """A variable whose values are a label's. `anything`: «All» also matches where there is no label."""
    made = {
        "name": name,
        "label": label,
        "description": description,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": values, "refId": f"variable-{name}"},
        "regex": "",
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "refresh": 2,
        "sort": 7,
    }
    if anything:
        made["allValue"] = ".*"
    return made


def annotation(name, color, expr, title, text="", enable=True):
    """Marks the instants at which `expr` is above 0."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": enable,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "step": "10s",
        "titleFormat": title,
        "textFormat": text,
    }


def dashboard(uid, title, description, variables, panels, annotations=()):
    """The whole, with its panels laid out from left to right and from top to bottom."""
    x = y = height = 0
    for i, panel in enumerate(panels):
        place = panel["gridPos"]
        if x + place["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        place["x"], place["y"] = x, y
        x, height = x + place["w"], max(height, place["h"])
        panel["id"] = i + 1
    built_in = {
        "name": "Annotations & Alerts",
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "type": "dashboard",
    }
    links = {
        "type": "dashboards",
        "title": "Destination load test",
        "tags": ["dst-load-test"],
        "asDropdown": True,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "tooltip": "The other dashboards, with the same choices and the same time",
        "url": "",
    }
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["dst-load-test", "linkerd"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "weekStart": "",
        "links": [links],
        "annotations": {"list": [built_in, *annotations]},
        "templating": {"list": variables},
        "panels": panels,
    }
