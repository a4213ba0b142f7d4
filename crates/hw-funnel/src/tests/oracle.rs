//! A second opinion: evaluates query documents over rows of JSON by brute force, straight from the text of the
//! language. It shares no code with the crate, enumerates chains instead of computing them, and only copes with the
//! small times, numbers and ISO texts that the generator makes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use arrow_schema::DataType;
use serde_json::{Map, Value, json};

use super::table::Table;

type Row = Vec<Value>;

pub(super) struct Oracle<'a> {
    table: &'a Table,
    query: &'a Value,
    /// Rows in the timeframe, by group.
    groups: Vec<Vec<&'a Row>>,
}

/// What a step or the query counts.
type Groups<'a> = Vec<Vec<&'a Row>>;

impl<'a> Oracle<'a> {
    pub(super) fn new(table: &'a Table, query: &'a Value) -> Self {
        let mut oracle = Self {
            table,
            query,
            groups: Vec::new(),
        };
        for numbers in table.groups() {
            let rows: Vec<&Row> = numbers
                .iter()
                .map(|number| &table.rows[*number])
                .filter(|row| oracle.in_timeframe(row))
                .collect();
            if !rows.is_empty() {
                oracle.groups.push(rows);
            }
        }
        oracle
    }

    fn in_timeframe(&self, row: &Row) -> bool {
        let bound = |key: &str, holds: fn(Ordering) -> bool| {
            let bound = &self.query["timeframe"][key];
            bound.is_null() || self.order(1, &row[1], bound).is_some_and(holds)
        };
        bound("from", Ordering::is_ge) && bound("to", Ordering::is_lt)
    }

    fn column(&self, name: &Value) -> usize {
        self.table
            .columns
            .iter()
            .position(|(column, _)| name == column)
            .unwrap()
    }

    fn data_type(&self, column: usize) -> &DataType {
        &self.table.columns[column].1
    }

    // ---- filters ----------------------------------------------------------------------------------------------

    fn order(&self, column: usize, cell: &Value, constant: &Value) -> Option<Ordering> {
        if cell.is_null() || cell == &json!("NaN") && *self.data_type(column) == DataType::Float64 {
            return None;
        }
        match (cell, constant, self.data_type(column)) {
            (Value::Number(cell), Value::String(text), DataType::Timestamp(_, _)) => {
                cell.as_f64()?.partial_cmp(&seconds_of(text))
            }
            (Value::Number(cell), Value::Number(constant), _) => cell.as_f64()?.partial_cmp(&constant.as_f64()?),
            (Value::String(cell), Value::String(constant), _) => Some(cell.as_bytes().cmp(constant.as_bytes())),
            (Value::Bool(cell), Value::Bool(constant), _) => Some(cell.cmp(constant)),
            (cell, constant, data_type) => panic!("cannot compare {cell} with {constant} as {data_type}"),
        }
    }

    fn passes(&self, filter: &Value, row: &Row) -> bool {
        let (name, op, value) = match filter {
            Value::Array(items) => (&items[0], &items[1], items.get(2).unwrap_or(&Value::Null)),
            _ => (&filter["column"], &filter["op"], &filter["value"]),
        };
        let column = self.column(name);
        let cell = &row[column];
        let is_null = cell.is_null() || (*self.data_type(column) == DataType::Float64 && cell == &json!("NaN"));
        let order = |constant: &Value| self.order(column, cell, constant);
        let text = || cell.as_str().zip(value.as_str());
        let contains = || match cell {
            Value::Array(items) => items.iter().any(|item| !item.is_null() && item == value),
            _ => text().is_some_and(|(cell, part)| cell.contains(part)),
        };
        let is_in = || {
            value
                .as_array()
                .unwrap()
                .iter()
                .any(|value| order(value) == Some(Ordering::Equal))
        };
        match op.as_str().unwrap() {
            "==" => order(value) == Some(Ordering::Equal),
            "!=" => order(value) != Some(Ordering::Equal),
            ">" => order(value) == Some(Ordering::Greater),
            ">=" => order(value).is_some_and(Ordering::is_ge),
            "<" => order(value) == Some(Ordering::Less),
            "<=" => order(value).is_some_and(Ordering::is_le),
            "contains" => !is_null && contains(),
            "not contains" => is_null || !contains(),
            "in" => is_in(),
            "not in" => !is_in(),
            "starts with" => text().is_some_and(|(cell, start)| cell.starts_with(start)),
            // The generator only makes patterns `^[letters]+$`.
            "regex" => text().is_some_and(|(cell, pattern)| {
                let letters = pattern.trim_start_matches("^[").trim_end_matches("]+$");
                !cell.is_empty() && cell.chars().all(|letter| letters.contains(letter))
            }),
            "is null" => is_null,
            "is not null" => !is_null,
            other => panic!("no operator {other}"),
        }
    }

    /// Whether a row satisfies `filter` or all of `filters`.
    fn passes_all(&self, rows: &Value, row: &Row) -> bool {
        match rows["filters"].as_array() {
            Some(filters) => filters.iter().all(|filter| self.passes(filter, row)),
            None => self.passes(&rows["filter"], row),
        }
    }

    // ---- conditions -------------------------------------------------------------------------------------------

    fn satisfies(&self, condition: &Value, rows: &[&Row]) -> bool {
        if let Some(steps) = condition["sequence"].as_array() {
            return self.passed(steps, &condition["maxDuration"], rows) == steps.len();
        }
        let matching: Vec<&Row> = rows
            .iter()
            .copied()
            .filter(|row| self.passes_all(condition, row))
            .collect();
        let default = json!(["count", ">=", 1]);
        let target = if condition["target"].is_null() {
            &default
        } else {
            &condition["target"]
        };
        let (column, op, constant) = match target {
            Value::Array(items) if items.len() == 3 => (None, &items[1], &items[2]),
            Value::Array(items) => (Some(&items[1]), &items[2], &items[3]),
            _ => (target.get("column"), &target["op"], &target["value"]),
        };
        if matching.is_empty() {
            let is_zero = column.is_none() && op == "==" && constant == &json!(0);
            return condition["includeZero"].as_bool().unwrap_or(is_zero);
        }
        let value: f64 = match column {
            None => matching.len() as f64,
            Some(column) => matching
                .iter()
                .filter_map(|row| row[self.column(column)].as_f64())
                .sum(),
        };
        let constant = constant.as_f64().unwrap();
        match op.as_str().unwrap() {
            "==" => value == constant,
            "!=" => value != constant,
            ">" => value > constant,
            ">=" => value >= constant,
            "<" => value < constant,
            _ => value <= constant,
        }
    }

    fn is_matching(&self, rows: &[&Row]) -> bool {
        let conditions = self.query["query"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let outcomes: Vec<bool> = conditions
            .iter()
            .map(|condition| self.satisfies(condition, rows))
            .collect();
        match self.query["query"]["relation"].as_str() {
            None => outcomes.iter().all(|outcome| *outcome),
            Some("and") => outcomes.iter().all(|outcome| *outcome),
            Some("or") => outcomes.iter().any(|outcome| *outcome),
            Some(relation) => {
                let names = conditions
                    .iter()
                    .map(|condition| condition["name"].as_str().map(str::to_lowercase));
                let mut names: Vec<(String, bool)> = names
                    .zip(&outcomes)
                    .filter_map(|(name, outcome)| Some((name?, *outcome)))
                    .collect();
                names.extend(
                    outcomes
                        .iter()
                        .enumerate()
                        .map(|(index, outcome)| (index.to_string(), *outcome)),
                );
                let text = relation
                    .to_lowercase()
                    .replace("&&", " and ")
                    .replace("||", " or ")
                    .replace('!', " not ");
                let text = text.replace('(', " ( ").replace(')', " ) ").replace('$', " $");
                let mut words: Vec<&str> = text.split_whitespace().rev().collect();
                let outcome = any_of(&mut words, &names);
                assert!(words.is_empty(), "{relation}");
                outcome
            }
        }
    }

    // ---- sequences --------------------------------------------------------------------------------------------

    fn time(&self, row: &Row) -> f64 {
        row[1].as_f64().unwrap()
    }

    /// All chains of the given positive steps, with negative steps between and before them respected.
    fn chains(&self, steps: &[Value], until: usize, max: &Value, rows: &[&Row]) -> Vec<Vec<f64>> {
        let mut chains: Vec<Vec<f64>> = vec![Vec::new()];
        let mut gap: Vec<&Value> = Vec::new();
        for step in &steps[..until] {
            if is_negative(step) {
                gap.push(step);
                continue;
            }
            let mut longer = Vec::new();
            for chain in &chains {
                for row in rows.iter().filter(|row| self.passes_all(step, row)) {
                    let time = self.time(row);
                    let after = chain.last().copied().unwrap_or(f64::NEG_INFINITY);
                    let start = chain.first().copied().unwrap_or(time);
                    let spoiled = rows.iter().any(|row| {
                        after < self.time(row) && self.time(row) < time && gap.iter().any(|no| self.passes_all(no, row))
                    });
                    if time > after && time - start <= self.limit(max) && !spoiled {
                        longer.push([chain.as_slice(), &[time]].concat());
                    }
                }
            }
            chains = longer;
            gap.clear();
        }
        chains
    }

    fn limit(&self, max: &Value) -> f64 {
        match max {
            Value::String(text) => text.trim_end_matches('s').parse().unwrap(),
            Value::Null => f64::INFINITY,
            number => number.as_f64().unwrap(),
        }
    }

    /// The chains with which a group passes the step number `step`, counted from 1.
    fn chains_passing(&self, steps: &[Value], step: usize, max: &Value, rows: &[&Row]) -> Vec<Vec<f64>> {
        let chains = self.chains(steps, step, max, rows);
        if !is_negative(&steps[step - 1]) {
            return chains;
        }
        let first_of_gap = steps[..step]
            .iter()
            .rposition(|step| !is_negative(step))
            .map_or(0, |index| index + 1);
        let gap = &steps[first_of_gap..step];
        let next = steps[step..].iter().find(|step| !is_negative(step));
        let stays_clear = |after: f64, before: f64| {
            !rows.iter().any(|row| {
                after < self.time(row) && self.time(row) < before && gap.iter().any(|no| self.passes_all(no, row))
            })
        };
        let passes = |chain: &Vec<f64>| {
            let after = chain.last().copied().unwrap_or(f64::NEG_INFINITY);
            let closes = |row: &&&Row| {
                let time = self.time(row);
                let start = chain.first().copied().unwrap_or(time);
                let is_next = next.is_some_and(|next| self.passes_all(next, row));
                is_next && time > after && time - start <= self.limit(max) && stays_clear(after, time)
            };
            stays_clear(after, f64::INFINITY) || rows.iter().any(|row| closes(&row))
        };
        chains.into_iter().filter(passes).collect()
    }

    /// How many steps the group passes.
    fn passed(&self, steps: &[Value], max: &Value, rows: &[&Row]) -> usize {
        let fails = |step: &usize| self.chains_passing(steps, *step, max, rows).is_empty();
        (1..=steps.len()).find(fails).map_or(steps.len(), |step| step - 1)
    }

    /// Of the chains to the deepest step the one that ends first, of those the earliest.
    fn chain(&self, steps: &[Value], max: &Value, rows: &[&Row]) -> Vec<f64> {
        let passed = self.passed(steps, max, rows);
        if passed == 0 {
            return Vec::new();
        }
        let key = |chain: &Vec<f64>| {
            let mut key = vec![chain.last().copied().unwrap_or(0.0)];
            key.extend(chain);
            key
        };
        let chains = self.chains_passing(steps, passed, max, rows);
        chains
            .into_iter()
            .min_by(|left, right| key(left).partial_cmp(&key(right)).unwrap())
            .unwrap()
    }

    // ---- results ----------------------------------------------------------------------------------------------

    pub(super) fn matching(&self) -> Groups<'a> {
        self.groups
            .iter()
            .filter(|rows| self.is_matching(rows))
            .cloned()
            .collect()
    }

    /// Ids of the groups that satisfy the relation and pass so many steps.
    pub(super) fn exported(&self, depth: usize) -> Vec<Value> {
        let steps = self.query["funnel"]["sequence"].as_array().cloned().unwrap_or_default();
        let max = &self.query["funnel"]["maxDuration"];
        let groups = self
            .matching()
            .into_iter()
            .filter(|rows| self.passed(&steps, max, rows) >= depth);
        let mut ids: Vec<Value> = groups.map(|rows| rows[0][0].clone()).collect();
        ids.sort_by(|left, right| match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_str().cmp(&right.as_str()),
        });
        ids
    }

    pub(super) fn answer(&self) -> Value {
        let mut answer = Map::new();
        let matching = self.matching();
        let query = &self.query["query"];
        answer.insert(
            "query".to_owned(),
            self.selection(&matching, &query["aggregations"], "aggregations"),
        );
        let funnel = &self.query["funnel"];
        if !funnel.is_null() {
            answer.insert("funnel".to_owned(), self.funnel(funnel, &matching));
        }
        if self.query["compare"] == json!(true) {
            answer.insert("compare".to_owned(), self.compare(&matching));
        }
        Value::Object(answer)
    }

    fn compare(&self, matching: &Groups<'a>) -> Value {
        let (query, funnel) = (&self.query["query"], &self.query["funnel"]);
        let has_conditions = query["conditions"].as_array().is_some_and(|list| !list.is_empty());
        let mut matched = matching.clone();
        if !has_conditions && let Some(steps) = funnel["sequence"].as_array() {
            matched.retain(|rows| self.passed(steps, &funnel["maxDuration"], rows) == steps.len());
        }
        let rest = self
            .groups
            .iter()
            .filter(|rows| !matched.contains(rows))
            .cloned()
            .collect();
        let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
        let list = if is_empty(&query["aggregations"]) {
            &funnel["endAggregations"]
        } else {
            &query["aggregations"]
        };
        json!({
            "matched": self.selection(&matched, list, "aggregations"),
            "rest": self.selection(&rest, list, "aggregations")})
    }

    fn funnel(&self, funnel: &Value, matching: &Groups<'a>) -> Value {
        let steps = funnel["sequence"].as_array().unwrap();
        let max = &funnel["maxDuration"];
        let mut result = Map::new();
        result.insert("sequence".to_owned(), self.sequence(funnel, matching));
        let mut end: Groups<'a> = matching.clone();
        end.retain(|rows| self.passed(steps, max, rows) == steps.len());
        self.aggregations(&mut result, "endAggregations", &funnel["endAggregations"], &end);
        if funnel["breakdown"].is_object() {
            result.insert("breakdown".to_owned(), self.breakdown(funnel, matching));
        }
        Value::Object(result)
    }

    fn sequence(&self, funnel: &Value, matching: &Groups<'a>) -> Value {
        let steps = funnel["sequence"].as_array().unwrap();
        let max = &funnel["maxDuration"];
        let mut results = Vec::new();
        let mut positives = 0;
        for (index, step) in steps.iter().enumerate() {
            let mut reaching = matching.clone();
            reaching.retain(|rows| self.passed(steps, max, rows) > index);
            let mut result = self.selection(&reaching, &funnel["stepAggregations"], "aggregations");
            if !is_negative(step) {
                if positives > 0 && funnel["stepTimes"] == json!(true) {
                    let between = |rows: &Vec<&Row>| {
                        let chain = self.chain(steps, max, rows);
                        chain[positives] - chain[positives - 1]
                    };
                    result["sincePrevious"] = self.durations(reaching.iter().map(between).collect());
                }
                positives += 1;
            }
            results.push(result);
        }
        Value::Array(results)
    }

    fn durations(&self, mut durations: Vec<f64>) -> Value {
        durations.sort_by(f64::total_cmp);
        let native = |value: f64| {
            if *self.data_type(1) == DataType::Float64 {
                json!(value)
            } else {
                json!(value as i64)
            }
        };
        let mut result = json!({"count": durations.len()});
        if !durations.is_empty() {
            result["mean"] = json!(durations.iter().sum::<f64>() / durations.len() as f64);
            for (key, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
                result[key] = json!(interpolated(&durations, q));
            }
            result["min"] = native(durations[0]);
            result["max"] = native(durations[durations.len() - 1]);
        }
        let bounds = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
        let text = |bound: f64| if bound < 1.0 { json!(bound) } else { json!(bound as i64) };
        let mut bars: Vec<Value> = Vec::new();
        for pair in bounds.windows(2) {
            let count = durations
                .iter()
                .filter(|duration| pair[0] <= **duration && **duration < pair[1])
                .count();
            bars.push(json!({"from": text(pair[0]), "to": text(pair[1]), "count": count}));
        }
        while bars.first().is_some_and(|bar| bar["count"] == json!(0)) {
            bars.remove(0);
        }
        while bars.last().is_some_and(|bar| bar["count"] == json!(0)) {
            bars.pop();
        }
        result["histogram"] = json!(bars);
        result
    }

    fn breakdown(&self, funnel: &Value, matching: &Groups<'a>) -> Value {
        let breakdown = &funnel["breakdown"];
        let column = self.column(&breakdown["column"]);
        let mut by_value: BTreeMap<String, (Value, Groups<'a>)> = BTreeMap::new();
        let mut add = |value: Value, rows: Vec<&'a Row>| {
            by_value
                .entry(value.to_string())
                .or_insert_with(|| (value, Vec::new()))
                .1
                .push(rows);
        };
        let steps = funnel["sequence"].as_array().unwrap();
        let max = &funnel["maxDuration"];
        for rows in matching {
            if breakdown["by"] == json!("pair") {
                let mut values: Vec<Value> = rows.iter().map(|row| self.clean(column, row)).collect();
                values.sort_by_key(Value::to_string);
                values.dedup();
                for value in values {
                    let of_value = rows
                        .iter()
                        .copied()
                        .filter(|row| self.clean(column, row) == value)
                        .collect();
                    add(value, of_value);
                }
            } else if self.passed(steps, max, rows) > 0 {
                let first = steps.iter().find(|step| !is_negative(step)).unwrap();
                let chain = self.chain(steps, max, rows);
                let starts = rows
                    .iter()
                    .filter(|row| Some(&self.time(row)) == chain.first() && self.passes_all(first, row));
                let values = starts
                    .map(|row| self.clean(column, row))
                    .filter(|value| !value.is_null());
                add(values.min_by(value_order).unwrap_or(Value::Null), rows.clone());
            }
        }
        let mut entries: Vec<(u64, Value, Groups<'a>)> = Vec::new();
        for (value, groups) in by_value.into_values() {
            let first = groups.iter().filter(|rows| self.passed(steps, max, rows) > 0).count();
            if first > 0 {
                entries.push((first as u64, value, groups));
            }
        }
        entries.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| value_order(&left.1, &right.1)));
        let top = breakdown["top"].as_u64().unwrap_or(10) as usize;
        let rest = entries.split_off(top.min(entries.len()));
        let mut result: Vec<Value> = entries
            .into_iter()
            .map(|(_, value, groups)| json!({"value": self.shown(column, &value), "sequence": self.sequence(funnel, &groups)}))
            .collect();
        if !rest.is_empty() {
            let values = rest.len();
            let groups: Groups<'a> = rest.into_iter().flat_map(|(_, _, groups)| groups).collect();
            result.push(json!({"other": true, "values": values, "sequence": self.sequence(funnel, &groups)}));
        }
        Value::Array(result)
    }

    /// The cell, with NaN as null.
    fn clean(&self, column: usize, row: &Row) -> Value {
        let is_nan = *self.data_type(column) == DataType::Float64 && row[column] == json!("NaN");
        if is_nan { Value::Null } else { row[column].clone() }
    }

    fn shown(&self, column: usize, value: &Value) -> Value {
        match self.data_type(column) {
            DataType::Timestamp(_, _) if !value.is_null() => json!(self.key(column, value)),
            _ => value.clone(),
        }
    }

    fn selection(&self, groups: &Groups<'a>, list: &Value, key: &str) -> Value {
        let rows: usize = groups.iter().map(Vec::len).sum();
        let mut result = Map::new();
        result.insert("matchingGroups".to_owned(), json!(groups.len()));
        result.insert("matchingGroupRows".to_owned(), json!(rows));
        self.aggregations(&mut result, key, list, groups);
        Value::Object(result)
    }

    fn aggregations(&self, result: &mut Map<String, Value>, key: &str, list: &Value, groups: &Groups<'a>) {
        let Some(list) = list.as_array().filter(|list| !list.is_empty()) else {
            return;
        };
        let mut results = Vec::new();
        for aggregation in list {
            match aggregation["type"].as_str() {
                Some(kind) => results.push(self.aggregation(aggregation, kind, groups)),
                None => ["count", "countPerValue", "groupsPerValue"]
                    .iter()
                    .for_each(|kind| results.push(self.aggregation(aggregation, kind, groups))),
            }
        }
        result.insert(key.to_owned(), Value::Array(results));
    }

    fn key(&self, column: usize, value: &Value) -> String {
        match (value, self.data_type(column)) {
            (Value::Number(number), DataType::Timestamp(_, _)) => {
                format!("1970-01-01T00:00:{:02}", number.as_i64().unwrap())
            }
            (Value::Number(number), DataType::Float64) => format!("{:?}", number.as_f64().unwrap()),
            (Value::Bool(true), _) => "True".to_owned(),
            (Value::Bool(false), _) => "False".to_owned(),
            (Value::String(text), _) => text.clone(),
            (value, _) => value.to_string(),
        }
    }

    fn aggregation(&self, aggregation: &Value, kind: &str, groups: &Groups<'a>) -> Value {
        let column = self.column(&aggregation["column"]);
        let cells: Vec<Value> = groups.iter().flatten().map(|row| self.clean(column, row)).collect();
        let cells: Vec<Value> = cells.into_iter().filter(|cell| !cell.is_null()).collect();
        let mut result = json!({"column": aggregation["column"], "type": kind});
        let is_float = |column: usize| *self.data_type(column) == DataType::Float64;
        let number = |value: f64, column: usize| {
            if is_float(column) {
                json!(value)
            } else {
                json!(value as i64)
            }
        };
        let mut numbers: Vec<f64> = cells.iter().filter_map(Value::as_f64).collect();
        numbers.sort_by(f64::total_cmp);
        let value = match kind {
            "count" => json!(cells.len()),
            "distinct" => {
                let mut keys: Vec<String> = cells.iter().map(|cell| self.key(column, cell)).collect();
                keys.sort();
                keys.dedup();
                json!(keys.len())
            }
            "sum" if !numbers.is_empty() => number(numbers.iter().sum(), column),
            "mean" if !numbers.is_empty() => json!(numbers.iter().sum::<f64>() / numbers.len() as f64),
            "min" if !numbers.is_empty() => number(numbers[0], column),
            "max" if !numbers.is_empty() => number(numbers[numbers.len() - 1], column),
            "quantile" if !numbers.is_empty() => json!(interpolated(&numbers, aggregation["q"].as_f64().unwrap())),
            "sum" | "mean" | "min" | "max" | "quantile" => Value::Null,
            _ => self.per_value(aggregation, kind, column, groups),
        };
        if kind == "quantile" {
            result["q"] = aggregation["q"].clone();
        }
        if !aggregation["name"].is_null() {
            result["name"] = aggregation["name"].clone();
        }
        if value.is_object() {
            result["top"] = aggregation.get("top").cloned().unwrap_or(json!(10));
        }
        if !value.is_null() {
            result["value"] = value;
        }
        result
    }

    fn per_value(&self, aggregation: &Value, kind: &str, column: usize, groups: &Groups<'a>) -> Value {
        // Per key: rows, groups, sum and count of the other column.
        let mut facts: BTreeMap<String, (u64, u64, f64, u64)> = BTreeMap::new();
        let other = aggregation["otherColumn"]
            .as_str()
            .map(|name| self.column(&json!(name)));
        for rows in groups {
            let mut seen: Vec<String> = Vec::new();
            for row in rows {
                let cell = self.clean(column, row);
                if cell.is_null() {
                    continue;
                }
                let key = self.key(column, &cell);
                let fact = facts.entry(key.clone()).or_default();
                fact.0 += 1;
                if !seen.contains(&key) {
                    seen.push(key);
                    fact.1 += 1;
                }
                if let Some(number) = other.and_then(|other| row[other].as_f64()) {
                    fact.2 += number;
                    fact.3 += 1;
                }
            }
        }
        let is_float = other.is_some_and(|other| *self.data_type(other) == DataType::Float64);
        let mut list: Vec<(String, f64, Value)> = Vec::new();
        for (key, (rows, groups, sum, count)) in facts {
            let (number, shown) = match kind {
                "countPerValue" => (rows as f64, json!(rows)),
                "groupsPerValue" => (groups as f64, json!(groups)),
                "sumPerValue" => (sum, if is_float { json!(sum) } else { json!(sum as i64) }),
                _ if count == 0 => continue,
                _ => (sum / count as f64, json!(sum / count as f64)),
            };
            list.push((key, number, shown));
        }
        list.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        list.truncate(aggregation["top"].as_u64().unwrap_or(10) as usize);
        Value::Object(list.into_iter().map(|(key, _, shown)| (key, shown)).collect())
    }
}

fn is_negative(step: &Value) -> bool {
    step["rowFound"] == json!(false)
}

/// Null last.
fn value_order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64().unwrap().total_cmp(&right.as_f64().unwrap()),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (left, right) => left.is_null().cmp(&right.is_null()),
    }
}

fn interpolated(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * (place - place.floor())
}

/// Seconds since the epoch of `1970-01-01T00:00:SS[.f]` and `1970-01-01T01:00:SS[.f]+01:00`.
fn seconds_of(text: &str) -> f64 {
    text.trim_end_matches("+01:00")
        .trim_end_matches('Z')
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

/// Words come from the end of the vector.
fn any_of(words: &mut Vec<&str>, names: &[(String, bool)]) -> bool {
    let mut outcome = all_of(words, names);
    while words.last() == Some(&"or") {
        words.pop();
        outcome |= all_of(words, names);
    }
    outcome
}

fn all_of(words: &mut Vec<&str>, names: &[(String, bool)]) -> bool {
    let mut outcome = operand(words, names);
    while words.last() == Some(&"and") {
        words.pop();
        outcome &= operand(words, names);
    }
    outcome
}

fn operand(words: &mut Vec<&str>, names: &[(String, bool)]) -> bool {
    match words.pop().unwrap() {
        "not" => !operand(words, names),
        "(" => {
            let outcome = any_of(words, names);
            assert_eq!(words.pop(), Some(")"));
            outcome
        }
        word => {
            names
                .iter()
                .find(|(name, _)| Some(name.as_str()) == word.strip_prefix('$'))
                .unwrap()
                .1
        }
    }
}
