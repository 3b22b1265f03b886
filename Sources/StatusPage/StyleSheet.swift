/// The look. Here are colors, type and the frame of a page; the parts are in `StyleSheetParts.swift`.
enum StyleSheet {
    static let base = """
        :root {
          color-scheme: light dark;
          --ground: #fbfbf9; --raised: #ffffff; --ink: #1b1e22; --soft: #5b636c; --line: #e4e5e1; --strong: #c9ccc8;
          --link: #1a56a8; --good: #136c41; --wait: #7d5200; --bad: #ae2118; --busy: #1a56a8;
          --tint-bad: #fcefed; --tint-wait: #fbf4e4; --tint-soft: #f2f3f0;
          --bar-busy: #2d6cc0; --bar-idle: #5fae83; --bar-starting: #dfa93c; --bar-draining: #969da5; --bar-offline: #cf4b41; --bar-free: #e6e8e4;
          --chart-dark: #2d6cc0; --chart-light: #bdd3ee;
          --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #111417; --raised: #171b1f; --ink: #e3e6e9; --soft: #98a2ac; --line: #252a30; --strong: #3c444c;
            --link: #86b6f5; --good: #63c991; --wait: #dfb35a; --bad: #ff8f80; --busy: #86b6f5;
            --tint-bad: #2c1a19; --tint-wait: #272114; --tint-soft: #1a1e22;
            --bar-busy: #4a8be0; --bar-idle: #4f9d74; --bar-starting: #c5923a; --bar-draining: #6d757e; --bar-offline: #d75b50; --bar-free: #262c32;
            --chart-dark: #5b9aec; --chart-light: #2b4a70;
          }
        }
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; scroll-padding-top: 16px; }
        body {
          margin: 0 auto; max-width: 1240px; padding: 0 28px 40px; background: var(--ground); color: var(--ink);
          font: 14px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
          font-variant-numeric: tabular-nums;
        }
        h1, h2, h3, p, ul, ol, dl, dd, figure, pre { margin: 0; }
        ul, ol { padding: 0; list-style: none; }
        h1 { font-size: 22px; line-height: 1.25; font-weight: 600; letter-spacing: -0.01em; overflow-wrap: anywhere; }
        h2 { font-size: 15px; line-height: 1.4; font-weight: 600; }
        h3 { font-size: 14px; font-weight: 600; overflow-wrap: anywhere; }
        a { color: var(--link); text-decoration: none; }
        a:hover { text-decoration: underline; text-underline-offset: 2px; }
        code, pre { font-family: var(--mono); font-size: 12.5px; }
        code { overflow-wrap: anywhere; }
        :focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
        main:focus { outline: none; }
        .unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        .skip { position: absolute; left: 8px; top: -60px; padding: 8px 14px; background: var(--raised); border: 1px solid var(--strong); z-index: 1; }
        .skip:focus { top: 8px; }
        .soft, .note, .none { color: var(--soft); }
        .none { padding: 6px 0; }
        .id { font-family: var(--mono); font-size: 13px; }
        .error { color: var(--bad); overflow-wrap: anywhere; }
        .error .soft { color: var(--soft); }
        .num { text-align: right; white-space: nowrap; }

        body > header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 22px; padding: 16px 0 14px; border-bottom: 1px solid var(--line); }
        .home { color: var(--ink); font-size: 16px; font-weight: 700; letter-spacing: -0.01em; }
        body > header nav { display: flex; flex-wrap: wrap; gap: 4px 18px; }
        body > header nav a { color: var(--soft); }
        .meta { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px; margin-left: auto; color: var(--soft); }
        .live:empty { display: none; }
        .live, .tone { white-space: nowrap; }
        .live::before, .tone::before {
          content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 7px; border-radius: 50%; background: var(--bar-draining);
        }
        .live[data-state="live"] { color: var(--good); }
        .live[data-state="live"]::before { background: var(--good); }
        .live[data-state="lost"] { color: var(--wait); }
        .live[data-state="lost"]::before { background: var(--wait); }
        .tone.good { color: var(--good); }
        .tone.good::before { background: var(--good); }
        .tone.busy { color: var(--busy); }
        .tone.busy::before { background: var(--busy); }
        .tone.wait { color: var(--wait); }
        .tone.wait::before { background: none; box-shadow: inset 0 0 0 2px var(--wait); }
        .tone.bad { color: var(--bad); }
        .tone.bad::before { background: var(--bad); border-radius: 1px; }
        .tone.quiet { color: var(--soft); }

        button {
          font: inherit; color: var(--ink); background: var(--raised); border: 1px solid var(--strong); border-radius: 5px; padding: 2px 10px; cursor: pointer;
        }
        button:hover { border-color: var(--soft); }
        form[data-busy] button { opacity: 0.55; cursor: progress; }
        button.quiet { color: var(--link); background: none; border: 0; padding: 2px 0; }
        .orders { display: flex; flex-wrap: wrap; gap: 8px; }
        .notice { margin-top: 14px; padding: 8px 14px; border-left: 3px solid var(--bad); background: var(--tint-bad); }

        section { margin-top: 34px; }
        .heading { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 2px 20px; padding-bottom: 8px; }
        .heading.page { justify-content: flex-start; align-items: center; margin-top: 14px; }
        .heading.page .orders { margin-left: auto; }
        .count { margin-left: 4px; color: var(--soft); font-weight: 400; }
        .crumbs { margin-top: 18px; color: var(--soft); }
        .narrow { max-width: 34rem; margin-top: 56px; }
        .narrow > * + * { margin-top: 12px; }
        .pair { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 44px; }
        footer { margin-top: 44px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
        footer > * + * { margin-top: 4px; }
        .key::before { content: ""; display: inline-block; width: 9px; height: 9px; margin-right: 6px; border-radius: 1px; background: var(--bar-free); }
        .key + .key { margin-left: 10px; }
        .key.busy::before { background: var(--bar-busy); }
        .key.idle::before { background: var(--bar-idle); }
        .key.provisioning::before { background: var(--bar-starting); }
        .key.draining::before { background: var(--bar-draining); }
        .key.dark::before { background: var(--chart-dark); }
        .key.light::before { background: var(--chart-light); }
        .key.failed::before { background: var(--bar-offline); }

        """
}
