// A dashboard as Grafana publishes it (npm @grafana/schema), with two things made narrower: the
// options of each kind of panel that we use, which Dashboard itself leaves open, and the queries,
// which are the Prometheus data source's. What ours must have though Grafana could do without (a
// title, a unit, a description in words) is required here too.
import type {
  AnnotationQuery,
  Dashboard,
  DataSourceRef,
  FieldConfig,
  FieldConfigSource,
  GridPos,
  Panel,
  RowPanel,
  VariableModel,
} from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** The data source is always the variable: no dashboard is bound to one installation. */
type DataSource = { type: 'prometheus'; uid: '${datasource}' };

/** A query to the Prometheus data source. */
interface Query {
  refId: string;
  datasource: DataSource;
  editorMode: 'code';
  expr: string;
  format: 'time_series' | 'heatmap';
  legendFormat: string;
  range: boolean;
  instant: boolean;
}

type Fields<Custom> = Omit<FieldConfigSource, 'defaults'> & {
  defaults: Omit<FieldConfig, 'custom' | 'unit'> & { unit: string; custom?: Custom };
};

type Kind<Type extends string, Options, Custom> = Omit<
  Panel,
  'type' | 'title' | 'description' | 'id' | 'gridPos' | 'datasource' | 'options' | 'fieldConfig' | 'targets'
> & {
  type: Type;
  id: number;
  title: string;
  description: string;
  gridPos: GridPos;
  datasource: DataSource;
  options: Options;
  fieldConfig: Fields<Custom>;
  targets: Query[];
};

type AnyPanel =
  | Kind<'timeseries', timeseries.Options, Partial<timeseries.FieldConfig>>
  | Kind<'stat', stat.Options, Record<string, never>>
  | Kind<'heatmap', heatmap.Options, Partial<heatmap.FieldConfig>>
  | (RowPanel & { title: string; panels: [] });

/** What the Prometheus data source takes beside an annotation's common keys. */
type Annotation = Omit<AnnotationQuery, 'datasource'> &
  (
    | { builtIn: 1; datasource: DataSourceRef }
    | { datasource: DataSource; expr: string; step: string; titleFormat: string; textFormat: string }
  );

/** `current` is left out: it would be somebody's choice. */
type Variable = Omit<VariableModel, 'current' | 'query'> &
  ({ type: 'datasource'; query: 'prometheus' } | { type: 'query'; query: { query: string; refId: string } });

export type OurDashboard = Omit<Dashboard, 'id' | 'uid' | 'panels' | 'templating' | 'annotations'> & {
  uid: string;
  title: string;
  description: string;
  schemaVersion: 42;
  annotations: { list: Annotation[] };
  templating: { list: Variable[] };
  panels: AnyPanel[];
};
