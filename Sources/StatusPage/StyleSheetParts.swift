extension StyleSheet {
    /// The sections of pages, and what changes on a phone.
    static let parts = """
        .numbers { display: grid; grid-template-columns: repeat(4, 1fr); padding: 20px 0 18px; border-bottom: 1px solid var(--line); }
        .numbers > div { display: grid; align-content: start; padding-left: 24px; border-left: 1px solid var(--line); }
        .numbers > div:first-child { padding-left: 0; border-left: 0; }
        .numbers dt { color: var(--soft); }
        .numbers .value { font-size: 38px; line-height: 1.2; font-weight: 600; letter-spacing: -0.025em; }
        .numbers .bad { color: var(--bad); }

        .alert { margin-top: 20px; padding: 10px 16px; border-left: 3px solid var(--bad); background: var(--tint-bad); overflow-wrap: anywhere; }
        .alert h2 { color: var(--bad); }
        .alert li + li { margin-top: 4px; }
        .alert.bound { border-color: var(--bar-starting); background: var(--tint-wait); }
        .alert.soon { border-color: var(--bar-busy); background: var(--tint-soft); }
        .advice { color: var(--soft); }
        .warnings li { padding: 5px 0 5px 14px; border-left: 3px solid var(--bar-starting); overflow-wrap: anywhere; }
        .warnings li + li { margin-top: 6px; }

        table { width: 100%; border-collapse: collapse; }
        th { font-weight: 500; text-align: left; }
        thead th { padding: 0 16px 6px 0; color: var(--soft); font-size: 13px; white-space: nowrap; }
        thead th.num { text-align: right; }
        .rows td { padding: 6px 16px 6px 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
        .rows td:last-child, .rows thead th:last-child { padding-right: 0; }
        .rows .num { overflow-wrap: normal; }
        .rows tr.rest td { color: var(--soft); }
        .rows .empty { color: var(--soft); }
        .rows td .soft { margin-left: 4px; font-size: 13px; }
        .rows td > .soft:first-child { margin-left: 0; }
        .rows td .error { display: block; font-size: 13px; }
        .rows .order { text-align: right; padding-top: 4px; padding-bottom: 4px; }

        .waiting { table-layout: fixed; }
        .waiting th:nth-child(1) { width: 104px; }
        .waiting th:nth-child(2) { width: 30%; }
        .waiting th:nth-child(3) { width: 22%; }
        .waiting th:nth-child(4) { width: 16%; }
        .waiting .why th { width: auto; padding: 8px 14px; background: var(--tint-soft); border-left: 3px solid var(--bar-draining); overflow-wrap: anywhere; }
        .waiting .act .why th { background: var(--tint-bad); border-color: var(--bad); }
        .waiting .bound .why th { background: var(--tint-wait); border-color: var(--bar-starting); }
        .waiting .why p { display: flex; gap: 14px; }
        .waiting .n { flex: none; min-width: 20px; font-weight: 700; white-space: nowrap; }
        .waiting .reason { font-weight: 600; }
        .waiting .why .advice { margin-left: 8px; font-weight: 400; }
        .waiting .why + tr td { border-top: 0; }
        .waiting tbody tr:last-child td { padding-bottom: 14px; }
        .ref { font-family: var(--mono); font-size: 12.5px; line-height: 21px; }

        .tags { display: flex; flex-wrap: wrap; gap: 3px 5px; }
        .tags li { padding: 0 6px; border: 1px solid var(--line); border-radius: 4px; font: 12px/19px var(--mono); overflow-wrap: anywhere; }
        .tags .more { border-color: transparent; color: var(--soft); font-family: inherit; }

        .pools { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr)); gap: 0 36px; }
        .pools > li { display: grid; gap: 5px; align-content: start; padding: 10px 0 16px; border-top: 1px solid var(--line); min-width: 0; }
        .pools > .none { grid-column: 1 / -1; }
        .line { display: flex; align-items: baseline; gap: 8px; }
        .used { margin-left: auto; color: var(--soft); white-space: nowrap; }
        .used b { color: var(--ink); font-size: 16px; }
        .badge { padding: 0 6px; border: 1px solid currentColor; border-radius: 4px; font-size: 12px; line-height: 18px; }
        .badge.wait { color: var(--wait); }
        .badge.bad { color: var(--bad); }
        .pools .tags, .pools .orders { margin-top: 2px; }
        .bar { display: block; width: 100%; height: 12px; border-radius: 2px; }
        .busy { fill: var(--bar-busy); }
        .idle { fill: var(--bar-idle); }
        .provisioning { fill: var(--bar-starting); }
        .draining { fill: var(--bar-draining); }
        .offline { fill: var(--bar-offline); }
        .free { fill: var(--bar-free); }

        .charts { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 24px 44px; margin-bottom: 14px; }
        figcaption { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 0 16px; }
        .chart { display: block; width: 100%; margin: 8px 0 2px; }
        .chart .dark { fill: var(--chart-dark); }
        .chart .light { fill: var(--chart-light); }
        .jobs .chart .dark { fill: var(--bar-offline); }
        .chart .hit { fill: transparent; }
        .chart g:hover .hit { fill: var(--tint-soft); }
        .chart .grid { stroke: var(--line); }
        .chart .ground { stroke: var(--strong); }
        .ticks text { fill: var(--soft); font-size: 11px; }

        summary { width: fit-content; color: var(--link); cursor: pointer; }
        .scroll { overflow-x: auto; max-height: 320px; margin-top: 8px; }
        .scroll th, .scroll td { padding: 3px 18px 3px 0; white-space: nowrap; text-align: right; }
        .scroll th:first-child { text-align: left; }
        pre {
          margin-top: 6px; padding: 10px 12px; background: var(--raised); border: 1px solid var(--line); border-radius: 5px; line-height: 1.5;
          white-space: pre-wrap; overflow-wrap: anywhere;
        }
        .log { max-height: 60vh; overflow-y: auto; }
        .pair.wide { grid-template-columns: minmax(0, 5fr) minmax(0, 7fr); }
        .failures > li { padding: 8px 0 10px; border-top: 1px solid var(--line); }
        .what { overflow-wrap: anywhere; }
        .failures details { margin-top: 2px; }

        .fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(260px, 100%), 1fr)); gap: 0 36px; margin-top: 18px; }
        .fields > div { display: grid; align-content: start; padding: 7px 0 9px; border-top: 1px solid var(--line); min-width: 0; }
        .fields dt { color: var(--soft); font-size: 13px; }
        .fields dd { overflow-wrap: anywhere; }
        .steps-taken li { display: grid; grid-template-columns: 168px minmax(0, 1fr); gap: 0 16px; padding: 5px 0; border-top: 1px solid var(--line); }
        .steps-taken time { color: var(--soft); }
        .steps-taken li > span { overflow-wrap: anywhere; }
        .steps-taken .now time { color: inherit; }

        .first > p { max-width: 46rem; }
        .steps { padding-left: 22px; margin: 12px 0; list-style: decimal; max-width: 46rem; }
        .steps li { padding: 4px 0 4px 4px; }
        .sign-in { display: grid; gap: 6px; justify-items: start; }
        .sign-in label { font-weight: 600; }
        input {
          font: inherit; color: var(--ink); background: var(--raised); border: 1px solid var(--soft); border-radius: 5px; padding: 7px 10px; width: 100%;
        }
        .sign-in button { margin-top: 8px; padding: 7px 18px; background: var(--link); border-color: var(--link); color: var(--ground); font-weight: 600; }

        @media (max-width: 900px) {
          .pair, .pair.wide, .charts { grid-template-columns: minmax(0, 1fr); }
          .charts figure { max-width: 520px; }
        }
        @media (max-width: 680px) {
          body { padding: 0 16px 32px; }
          body > header { padding: 12px 0; }
          body > header nav, .meta { width: 100%; }
          .meta > :last-child { margin-left: auto; }
          .numbers { grid-template-columns: 1fr 1fr; gap: 16px 0; }
          .numbers > div:nth-child(odd) { padding-left: 0; border-left: 0; }
          .numbers > div { padding-left: 16px; }
          .numbers .value { font-size: 32px; }
          .rows, .rows tbody, .rows caption { display: block; }
          .rows thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
          .rows td, .rows .why th { display: block; padding: 0; border: 0; text-align: left; width: auto; }
          .rows .why th { padding: 8px 12px; border-left: 3px solid var(--bar-draining); }
          .waiting .why .advice { display: block; margin-left: 0; }
          .waiting .why p { gap: 10px; }
          .waiting tbody { padding-bottom: 12px; }
          .rows tbody tr { display: flex; flex-wrap: wrap; align-items: baseline; gap: 1px 14px; padding: 8px 0; border-top: 1px solid var(--line); }
          .waiting tbody tr.why { display: block; padding: 0; }
          .waiting tbody tr.why, .waiting .why + tr { border-top: 0; }
          .waiting tbody tr:last-child td { padding-bottom: 0; }
          .waiting td.main { flex: 1 1 calc(100% - 106px); }
          .recent td.main { flex: 1 1 60%; }
          .waiting td.num { order: 1; }
          .waiting td.main ~ td { order: 2; }
          .waiting td:last-child, .rows .rest td, .runners td[data-label="Job"] { flex-basis: 100%; }
          .runners td[data-label="State"] { margin-left: auto; }
          .rows .order { margin-left: auto; }
          .rows td.num[data-label]::before { content: attr(data-label) " "; color: var(--soft); font-size: 13px; }
          .rows td.empty { display: none; }
          /* Where a job would be: the end of the first line. */
          .runners td.empty:not(.num) { display: block; flex-basis: 100%; height: 0; overflow: hidden; }
          button { padding: 5px 14px; }
          .steps-taken li { grid-template-columns: minmax(0, 1fr); }
        }
        @media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; scroll-behavior: auto !important; } }
        @media print { nav, .orders, .order, .skip { display: none; } }

        """
}
