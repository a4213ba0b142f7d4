//! Random tables and random valid queries over them.

use arrow_schema::{DataType, Field, TimeUnit};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use super::table::{Table, dictionary};

pub(super) struct Generator {
    pub(super) random: StdRng,
    time: DataType,
    group_is_text: bool,
}

/// A seed that differs from run to run.
pub(super) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let times = [
            DataType::Int64,
            DataType::Float64,
            DataType::Timestamp(TimeUnit::Second, None),
            DataType::UInt8,
        ];
        let time = times.choose(&mut random).unwrap().clone();
        let group_is_text = random.random();
        Self {
            random,
            time,
            group_is_text,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.random_range(0..limit)
    }

    fn choose<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts.choose(&mut self.random).unwrap()
    }

    pub(super) fn table(&mut self) -> Table {
        let list = |item| DataType::List(Field::new("item", item, true).into());
        let columns = [
            (
                "g",
                if self.group_is_text {
                    DataType::Utf8
                } else {
                    DataType::Int32
                },
            ),
            ("t", self.time.clone()),
            ("s", DataType::Utf8),
            ("i", DataType::Int32),
            ("f", DataType::Float64),
            ("b", DataType::Boolean),
            ("c", DataType::Timestamp(TimeUnit::Second, None)),
            ("li", list(DataType::Int64)),
            ("ls", list(DataType::Utf8)),
        ];
        let count = self.below(18);
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let rows = (0..count)
            .map(|_| names.iter().map(|name| self.cell(name)).collect())
            .collect();
        Table::new(&columns, rows)
    }

    /// Types of other widths and encodings in which the same table can be stored.
    pub(super) fn storage(&mut self, table: &Table) -> Vec<DataType> {
        let mut stored = table.declared_types();
        for data_type in &mut stored {
            let others = match data_type {
                DataType::Utf8 => vec![DataType::LargeUtf8, DataType::Utf8View, dictionary(DataType::Utf8)],
                DataType::Int32 => vec![DataType::Int8, DataType::Int64, dictionary(DataType::Int16)],
                DataType::Float64 => vec![DataType::Float32, dictionary(DataType::Float64)],
                DataType::UInt8 => vec![DataType::UInt64, DataType::Int16],
                DataType::List(item) => vec![DataType::LargeList(item.clone())],
                _ => vec![],
            };
            if self.chance(50) && !others.is_empty() {
                *data_type = others[self.below(others.len())].clone();
            }
        }
        stored
    }

    fn cell(&mut self, column: &str) -> Value {
        if !matches!(column, "g" | "t") && self.chance(20) {
            return Value::Null;
        }
        match column {
            "g" if self.group_is_text => json!(self.choose(&["x", "y", "z", ""])),
            "g" => json!(self.random.random_range(-1..3)),
            "t" if self.time == DataType::Float64 => json!(self.random.random_range(0..16) as f64 / 2.0),
            "t" | "c" => json!(self.random.random_range(0..8)),
            "s" => json!(self.choose(&["a", "b", "c", "ab", ""])),
            "i" => json!(self.random.random_range(-2..4)),
            "f" if self.chance(10) => json!("NaN"),
            "f" => json!(self.random.random_range(-4..8) as f64 / 4.0),
            "b" => json!(self.random.random::<bool>()),
            "li" => (0..self.below(3)).map(|_| self.item(json!(1), json!(2))).collect(),
            "ls" => (0..self.below(3)).map(|_| self.item(json!("a"), json!("b"))).collect(),
            other => panic!("no column {other}"),
        }
    }

    fn item(&mut self, one: Value, two: Value) -> Value {
        [one, two, Value::Null][self.below(3)].clone()
    }

    /// A constant for a filter on the column.
    fn constant(&mut self, column: &str) -> Value {
        match column {
            "s" | "b" => loop {
                let cell = self.cell(column);
                if !cell.is_null() {
                    return cell;
                }
            },
            "i" if self.chance(20) => json!(self.random.random_range(-2..4) as f64),
            "f" if self.chance(30) => json!(self.random.random_range(-1..2)),
            "f" => json!(self.random.random_range(-4..8) as f64 / 4.0),
            "c" => self.instant(),
            "t" if matches!(self.time, DataType::Timestamp(_, _)) => self.instant(),
            "li" => json!(self.random.random_range(1..3)),
            "ls" => json!(self.choose(&["a", "b"])),
            _ => loop {
                let cell = self.cell(column);
                if !cell.is_null() {
                    return cell;
                }
            },
        }
    }

    fn instant(&mut self) -> Value {
        let second = self.below(8);
        let fraction = if self.chance(30) { ".5" } else { "" };
        match self.below(4) {
            0 => json!(format!("1970-01-01T00:00:0{second}{fraction}")),
            1 => json!(format!("1970-01-01T01:00:0{second}{fraction}+01:00")),
            2 => json!(format!("1970-01-01 00:00:0{second}{fraction}Z")),
            _ => json!(second),
        }
    }

    /// Column, operator and value.
    fn filter_parts(&mut self) -> (String, String, Option<Value>) {
        let column = self.choose(&["s", "s", "s", "i", "f", "b", "c", "li", "ls", "g", "t"]);
        let is_text = column == "s" || (column == "g" && self.group_is_text);
        let mut operators = vec!["==", "!=", "in", "not in", "is null", "is not null"];
        if column.starts_with('l') {
            operators = vec!["contains", "not contains", "is null", "is not null"];
        } else if column != "b" {
            operators.extend(["<", "<=", ">", ">=", "=="]);
        }
        if is_text {
            operators.extend(["contains", "not contains", "starts with", "regex", "=="]);
        }
        let operator = self.choose(&operators);
        let value = match operator {
            "is null" | "is not null" => None,
            "in" | "not in" => Some((0..=self.below(3)).map(|_| self.constant(column)).collect()),
            "regex" => Some(json!(self.choose(&["^[a]+$", "^[ab]+$", "^[xyc]+$"]))),
            "contains" | "not contains" | "starts with" if is_text => Some(json!(self.choose(&["a", "b", "", "ab"]))),
            _ => Some(self.constant(column)),
        };
        (column.to_owned(), operator.to_owned(), value)
    }

    fn verbose_filter(&mut self) -> Value {
        let (column, op, value) = self.filter_parts();
        match value {
            Some(value) => json!({"column": column, "op": op, "value": value}),
            None => json!({"column": column, "op": op}),
        }
    }

    /// An object with `filter` or `filters`.
    fn rows(&mut self) -> Map<String, Value> {
        let mut map = Map::new();
        if self.chance(25) {
            let filters = (0..=self.below(2)).map(|_| self.verbose_filter()).collect();
            map.insert("filters".to_owned(), filters);
        } else if self.chance(50) {
            let verbose = self.verbose_filter();
            map.insert("filter".to_owned(), verbose);
        } else {
            let (column, op, value) = self.filter_parts();
            let mut items = vec![json!(column), json!(op)];
            items.extend(value);
            map.insert("filter".to_owned(), Value::Array(items));
        }
        map
    }

    fn step(&mut self) -> Value {
        let mut step = self.rows();
        if self.chance(30) {
            step.insert("rowFound".to_owned(), json!(self.chance(25)));
        }
        Value::Object(step)
    }

    fn insert_sequence(&mut self, map: &mut Map<String, Value>) {
        let mut steps: Vec<Value> = (0..=self.below(5)).map(|_| self.step()).collect();
        if self.chance(20) && steps.len() > 1 {
            steps[1] = steps[0].clone();
        }
        if self.chance(30) && steps.len() > 3 {
            steps[1]["rowFound"] = json!(false);
            steps[2]["rowFound"] = json!(false);
            steps[3]["rowFound"] = json!(true);
        }
        if steps.iter().all(|step| step["rowFound"] == json!(false)) {
            let index = self.below(steps.len());
            steps[index]["rowFound"] = json!(true);
        }
        map.insert("sequence".to_owned(), Value::Array(steps));
        if self.chance(35) {
            let limit = self.below(6);
            let text = matches!(self.time, DataType::Timestamp(_, _)) && self.chance(50);
            let half = self.time == DataType::Float64 && self.chance(50);
            let limit = match (text, half) {
                (true, _) => json!(format!("{limit}s")),
                (_, true) => json!(limit as f64 + 0.5),
                _ => json!(limit),
            };
            map.insert("maxDuration".to_owned(), limit);
        }
    }

    fn condition(&mut self, name: Option<&str>) -> Value {
        let mut map = Map::new();
        if self.chance(35) {
            self.insert_sequence(&mut map);
        } else {
            map = self.rows();
            if self.chance(70) {
                self.insert_target(&mut map);
            }
        }
        if let Some(name) = name {
            map.insert("name".to_owned(), json!(name));
        }
        Value::Object(map)
    }

    fn insert_target(&mut self, map: &mut Map<String, Value>) {
        let op = self.choose(&["==", "!=", ">", ">=", "<", "<="]);
        if self.chance(40) {
            let column = self.choose(&["i", "f"]);
            let value = json!(self.random.random_range(-4..8) as f64 / 2.0);
            let target = match self.chance(50) {
                true => json!(["sum", column, op, value]),
                false => json!({"type": "sum", "column": column, "op": op, "value": value}),
            };
            map.insert("target".to_owned(), target);
            return;
        }
        let count = self.below(4);
        let target = match self.chance(50) {
            true => json!(["count", op, count]),
            false => json!({"type": "count", "op": op, "value": count}),
        };
        map.insert("target".to_owned(), target);
        let takes_zero = match op {
            "<" | "!=" => count > 0,
            "<=" => true,
            ">=" | "==" => count == 0,
            _ => false,
        };
        if takes_zero && self.chance(50) {
            map.insert("includeZero".to_owned(), json!(true));
        }
    }

    fn relation(&mut self, count: usize, depth: usize) -> String {
        if depth == 0 || self.chance(30) {
            let index = self.below(count);
            let names = ["first", "Second", "THIRD"];
            let name = if self.chance(50) {
                index.to_string()
            } else {
                names[index].to_owned()
            };
            return format!("${}", if self.chance(30) { name.to_lowercase() } else { name });
        }
        let left = self.relation(count, depth - 1);
        let right = self.relation(count, depth - 1);
        match self.below(6) {
            0 => format!("{left} and {right}"),
            1 => format!("{left}&&{right}"),
            2 => format!("{left} OR {right}"),
            3 => format!("({left}) || {right}"),
            4 => format!("not ({left} or {right})"),
            _ => format!("!{left} and ( {right} )"),
        }
    }

    fn aggregations(&mut self) -> Value {
        (0..=self.below(3)).map(|number| self.aggregation(number)).collect()
    }

    fn aggregation(&mut self, number: usize) -> Value {
        let kinds = [
            "",
            "count",
            "countPerValue",
            "groupsPerValue",
            "sumPerValue",
            "meanPerValue",
            "sum",
            "min",
            "max",
            "mean",
            "distinct",
            "quantile",
        ];
        let kind = self.choose(&kinds);
        let column = match kind {
            "sum" | "mean" | "quantile" => self.choose(&["i", "f"]),
            "min" | "max" => self.choose(&["i", "f", "c"]),
            "count" => self.choose(&["s", "i", "f", "b", "c", "li", "ls", "g", "t"]),
            _ => self.choose(&["s", "i", "f", "b", "c", "g"]),
        };
        let mut map = Map::new();
        map.insert("column".to_owned(), json!(column));
        if !kind.is_empty() {
            map.insert("type".to_owned(), json!(kind));
            if self.chance(30) {
                map.insert("name".to_owned(), json!(format!("n{number}")));
            }
        }
        if matches!(kind, "sumPerValue" | "meanPerValue") {
            map.insert("otherColumn".to_owned(), json!(self.choose(&["i", "f"])));
        }
        if kind == "quantile" {
            map.insert("q".to_owned(), json!([0.1, 0.25, 0.5, 0.9][self.below(4)]));
        }
        if kind.ends_with("PerValue") && self.chance(50) {
            map.insert("top".to_owned(), json!(1 + self.below(3)));
        }
        Value::Object(map)
    }

    pub(super) fn query(&mut self) -> Value {
        let mut root = Map::new();
        if self.chance(25) {
            let timeframe = self.timeframe();
            root.insert("timeframe".to_owned(), timeframe);
        }
        let mut query = Map::new();
        let count = self.below(4);
        let names = ["first", "Second", "THIRD"];
        if count > 0 {
            query.insert(
                "conditions".to_owned(),
                (0..count).map(|index| self.condition(Some(names[index]))).collect(),
            );
            let relation = match self.below(4) {
                0 => None,
                1 => Some(self.choose(&["and", "or"]).to_owned()),
                _ => Some(self.relation(count, 2)),
            };
            relation.map(|relation| query.insert("relation".to_owned(), json!(relation)));
        }
        if self.chance(50) {
            query.insert("aggregations".to_owned(), self.aggregations());
        }
        root.insert("query".to_owned(), Value::Object(query));
        if self.chance(65) {
            root.insert("funnel".to_owned(), self.funnel());
        }
        if self.chance(30) {
            root.insert("compare".to_owned(), json!(true));
        }
        Value::Object(root)
    }

    fn timeframe(&mut self) -> Value {
        let from = self.below(5);
        let to = from + 1 + self.below(5);
        match self.below(3) {
            0 => json!({"from": from}),
            1 => json!({"to": to}),
            _ => json!({"from": from, "to": to}),
        }
    }

    fn funnel(&mut self) -> Value {
        let mut funnel = Map::new();
        self.insert_sequence(&mut funnel);
        if self.chance(40) {
            funnel.insert("stepAggregations".to_owned(), self.aggregations());
        }
        if self.chance(40) {
            funnel.insert("endAggregations".to_owned(), self.aggregations());
        }
        if self.chance(50) {
            funnel.insert("stepTimes".to_owned(), json!(true));
        }
        if self.chance(40) {
            let column = self.choose(&["s", "i", "f", "b", "c"]);
            let mut breakdown = json!({"column": column, "top": 1 + self.below(3)});
            if self.chance(70) {
                breakdown["by"] = json!(self.choose(&["first", "pair"]));
            }
            funnel.insert("breakdown".to_owned(), breakdown);
        }
        Value::Object(funnel)
    }
}
