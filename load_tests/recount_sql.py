"""The statements of ``load_tests.recount``, one after the other. ``FILE:`` stands for the folder of their files."""

from __future__ import annotations

LOADED = (
    "CREATE DATABASE recount",
    """
    CREATE TABLE recount.raw ENGINE = Memory AS
    SELECT topic, partition, offset, payload, isValidJSON(payload) AS json, JSONType(payload) = 'Object' AS object
    FROM file('FILE:raw.ndjson', JSONEachRow, 'topic String, partition UInt8, offset UInt64, payload String')
    """,
    """
    CREATE TABLE recount.categories ENGINE = Memory AS
    SELECT * FROM file('FILE:categories.ndjson', JSONEachRow, 'source String, category String, signal String')
    """,
    "CREATE TABLE recount.codes ENGINE = Memory AS SELECT * FROM file('FILE:codes.ndjson', JSONEachRow, 'code String')",
    "CREATE TABLE recount.library ENGINE = Memory AS SELECT * FROM file('FILE:library.ndjson', JSONEachRow, 'name String, code String')",
    # Calls and complaints, both under the same names of columns. Only the hotline has corrections.
    """
    CREATE TABLE recount.calls ENGINE = Memory AS
    SELECT
        topic, partition, offset, json, object,
        topic = 'raw.hotline' AS hotline,
        if(hotline, JSONExtractString(payload, 'order_no'), JSONExtractString(payload, 'service_request_id')) AS number,
        if(hotline, JSONExtractString(payload, 'accept_time'), JSONExtractString(payload, 'requested_datetime')) AS time_text,
        parseDateTimeBestEffortOrNull(time_text, 'Asia/Shanghai') AS time,
        if(hotline, JSONExtractString(payload, 'item'), JSONExtractString(payload, 'service_code')) AS category,
        if(hotline, JSONExtractString(payload, 'item_before'), '') AS category_before,
        hotline AND JSONExtractString(payload, 'state') = '作废' AS withdrawn,
        if(hotline, JSONExtractString(payload, 'area_code'), JSONExtractString(payload, 'address_id')) AS code,
        if(hotline, JSONExtractString(payload, 'address_std'), '') AS name,
        JSONExtract(payload, 'lat', 'Nullable(Float64)') AS lat,
        if(hotline, JSONExtract(payload, 'lon', 'Nullable(Float64)'), JSONExtract(payload, 'long', 'Nullable(Float64)')) AS lon
    FROM recount.raw WHERE topic != 'raw.camera'
    """,
)

POINTS = "SELECT DISTINCT [assumeNotNull(lat), assumeNotNull(lon)] AS point FROM recount.calls WHERE lat IS NOT NULL AND lon IS NOT NULL"

CAMERAS = (
    """
    CREATE TABLE recount.readings ENGINE = Memory AS
    SELECT
        topic, partition, offset, json, object,
        JSONHas(payload, 'specversion') AS wrapped,
        if(wrapped, JSONExtractRaw(payload, 'data'), payload) AS body,
        JSONExtractString(body, 'Topic') AS about,
        multiIf(
            match(about, '[:/]CountAggregation/Counter$'), 'vehicles',
            match(about, '[:/]CountAggregation/OccupancyCounter$'), 'occupancy',
            match(about, '[:/]Gauge/WaterLevel$'), 'water_level',
            '') AS signal,
        JSONExtractString(body, 'UtcTime') AS time_text,
        parseDateTimeBestEffortOrNull(time_text, 'UTC') AS time,
        JSONExtractString(body, 'Source', 'VideoSource') AS device,
        JSONExtractString(body, 'Source', 'Rule') AS rule,
        JSONExtract(body, 'Data', if(signal = 'water_level', 'Level', 'Count'), 'Nullable(Float64)') AS value,
        -- A field nobody knows might be a picture: the record is refused whole.
        (wrapped AND NOT hasAll(['specversion', 'id', 'source', 'type', 'time', 'datacontenttype', 'data'], JSONExtractKeys(payload)))
            OR NOT hasAll(['UtcTime', 'Topic', 'Source', 'Data'], JSONExtractKeys(body))
            OR NOT hasAll(['VideoSource', 'Rule'], JSONExtractKeys(body, 'Source'))
            OR NOT hasAll(['Count', 'Level'], JSONExtractKeys(body, 'Data')) AS strange
    FROM recount.raw WHERE topic = 'raw.camera'
    """,
    """
    CREATE TABLE recount.judged_readings ENGINE = Memory AS
    SELECT
        r.*, library.code AS area, toUnixTimestamp(assumeNotNull(time)) AS time_s,
        multiIf(
            NOT json, 'not_json',
            NOT object, 'not_an_object',
            signal = '', 'unknown_topic',
            strange, 'unknown_field',
            time_text = '', 'missing_time',
            time IS NULL, 'bad_time',
            device = '' OR rule = '', 'missing_id',
            value IS NULL, 'bad_value',
            signal = 'vehicles' AND value < 0, 'negative_count',
            area = '', 'unknown_area',
            '') AS reason
    FROM recount.readings AS r LEFT ANY JOIN recount.library AS library ON r.device = library.name
    """,
    # What was refused is not remembered, so that the first one that counts is not taken for its duplicate.
    """
    CREATE TABLE recount.measured ENGINE = Memory AS
    SELECT partition, offset, time_s, device, rule, signal, area, value FROM recount.judged_readings WHERE reason = ''
    ORDER BY offset LIMIT 1 BY partition, device, rule, time_text
    """,
    # A reading older than its counter's newest so far says nothing about it. The others tell what came since the one before;
    # one that is lower comes from a counter that began again.
    """
    CREATE TABLE recount.steps ENGINE = Memory AS
    SELECT
        area, signal, time_s,
        lagInFrame(toNullable(value)) OVER (PARTITION BY partition, device, rule ORDER BY offset) AS before,
        if(value < before, value, value - before) AS increment
    FROM
    (
        SELECT
            *,
            max(time_s) OVER (PARTITION BY partition, device, rule ORDER BY offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS newest_s
        FROM recount.measured WHERE signal = 'vehicles'
    )
    WHERE time_s >= newest_s
    """,
)

OUTCOME = (
    """
    CREATE TABLE recount.points ENGINE = Memory AS
    SELECT * FROM file('FILE:points.ndjson', JSONEachRow, 'lat Float64, lon Float64, code String')
    """,
    """
    CREATE TABLE recount.judged_calls ENGINE = Memory AS
    SELECT
        c.topic, c.partition, c.offset, number, withdrawn, c.category AS category, toUnixTimestamp(assumeNotNull(time)) AS time_s,
        now.category != '' AS known, now.signal AS signal,
        if(NOT withdrawn AND before.signal != now.signal, before.signal, '') AS was,
        multiIf(codes.code != '', codes.code, library.code != '', library.code, points.code) AS area,
        multiIf(
            NOT json, 'not_json',
            NOT object, 'not_an_object',
            time_text = '', 'missing_time',
            time IS NULL, 'bad_time',
            number = '', 'missing_id',
            NOT known, 'unknown_category',
            signal = '' AND was = '', 'excluded_category',
            area = '', 'unknown_area',
            '') AS reason
    FROM recount.calls AS c
    LEFT ANY JOIN recount.categories AS now ON c.category = now.category AND substring(c.topic, 5) = now.source
    LEFT ANY JOIN recount.categories AS before ON c.category_before = before.category AND substring(c.topic, 5) = before.source
    LEFT ANY JOIN recount.codes AS codes ON c.code = codes.code
    LEFT ANY JOIN recount.library AS library ON c.name = library.name
    LEFT ANY JOIN recount.points AS points ON c.lat = points.lat AND c.lon = points.lon
    """,
    # A withdrawal counts once, and so does each category a call is moved to.
    """
    CREATE TABLE recount.counted ENGINE = Memory AS
    SELECT topic, area, signal, was, withdrawn, time_s FROM recount.judged_calls WHERE reason = ''
    ORDER BY offset LIMIT 1 BY topic, partition, number, toYYYYMM(toDateTime(time_s, 'UTC')), withdrawn, if(was = '', '', category)
    """,
    """
    CREATE TABLE recount.cells ENGINE = Memory AS
    SELECT area, signal, intDiv(time_s, 60) AS minute, sum(n) AS n, sum(total) AS total, min(value) AS least, max(value) AS most
    FROM
    (
        SELECT area, signal, time_s, toInt64(1) AS n, 0. AS total, CAST(NULL, 'Nullable(Float64)') AS value
        FROM recount.counted WHERE NOT withdrawn AND signal != ''
        UNION ALL SELECT area, if(withdrawn, signal, was), time_s, -1, 0., NULL FROM recount.counted WHERE withdrawn OR was != ''
        UNION ALL SELECT area, signal, time_s, toInt64(assumeNotNull(increment)), 0., NULL FROM recount.steps WHERE before IS NOT NULL
        UNION ALL SELECT area, 'feed.camera', time_s, 1, 0., NULL FROM recount.measured
        UNION ALL
        SELECT area, signal, time_s, 1, round(assumeNotNull(value) * 65536) / 65536, round(value * 65536) / 65536
        FROM recount.measured WHERE signal != 'vehicles'
    )
    GROUP BY area, signal, minute
    """,
)

ANSWERS = (
    "SELECT area, signal, toInt64(minute) AS minute, n, total, least, most FROM recount.cells ORDER BY area, signal, minute",
    """
    SELECT topic, toInt64(partition) AS partition, toInt64(offset) AS offset, reason
    FROM
    (
        SELECT topic, partition, offset, reason FROM recount.judged_calls WHERE reason != ''
        UNION ALL SELECT topic, partition, offset, reason FROM recount.judged_readings WHERE reason != ''
    )
    ORDER BY topic, partition, offset
    """,
)
