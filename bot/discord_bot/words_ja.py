"""Kura's own words on Discord, in Japanese. What each says, and when, stands in `words_en`. Knows no Discord client."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.discord_bot.escaping import without_code as safe
from bot.discord_bot.ports import JobView, SourceView, Statistics
from bot.discord_bot.words_en import English, links, short, when
from bot.errors import Explained


class Japanese(English):
    """Everything that `English` says."""

    spoken = "ja"

    # --- while an answer is made ---
    thinking = "⏳ 確認しています…"
    searching = "🔎 文書を検索しています…"
    writing = "✍️ 回答を書いています…"
    stop_label = "停止"
    stopped = "⏹️ 停止しました。"
    stop_refused = "この回答を停止できるのは、質問した方だけです。"
    nothing_to_stop = "この回答はすでに終わっています。"
    shutting_down = (
        "Kura を再起動しているため、この質問に最後まで答えられませんでした。1分ほどしてから、もう一度質問してください。"
    )
    restart_apology = "申し訳ありません。回答の途中で Kura が再起動されました。お手数ですが、もう一度質問してください。"
    moved_on = "Discord で待てる時間を超えたため、回答はこのチャンネルに新しいメッセージとして投稿します。"
    moved_on_private = "Discord で待てる時間を超えたため、回答はダイレクトメッセージでお送りします。"
    empty_question = "何をお調べしましょうか。メンションのあとに質問を書いてください。"

    # --- who may ask, and where ---
    not_a_member = "Kura は、所属する Discord サーバーのメンバーの質問にだけお答えします。"
    asker_only = "このボタンを使えるのは、質問した方だけです。"
    admins_only = "このコマンドを使えるのは、このサーバーの Kura 管理者だけです。"

    # --- feedback ---
    up_label, down_label = "役に立った", "役に立たなかった"
    thanks_up = "👍 ありがとうございます。「役に立った」と記録しました。"
    thanks_down = "👎 ありがとうございます。記録しました。Kura の担当者が確認します。"
    feedback_changed = "ありがとうございます。前回の評価を置き換えました。"
    feedback_taken_back = "この回答への評価を取り消しました。"
    feedback_gone = "この回答はすでに保存されていないため、評価できません。"
    feedback_title = "どこが良くありませんでしたか？"
    feedback_wrong_label = "間違っていた点"
    feedback_wrong_example = "例: 金額が去年のものになっている"
    feedback_right_label = "正しい内容"
    feedback_right_example = "例: 4月からは200ユーロ"

    # --- the buttons below an answer ---
    sources_label = "出典"
    no_sources = "この回答には、あなたが閲覧できる出典がありません。"
    quote_changed = "その後、文書が変更され、この記述はなくなっています。"
    file_changed = "読み込み後に変更されています"
    fuller_label = "閲覧できる範囲すべてで回答"
    answer_gone = "この回答はすでに保存されていません。もう一度質問してください。"

    # --- forgetting ---
    forget_ask = (
        "Discord で Kura にした質問とその回答、回答への評価をすべて削除しますか？ 削除すると元に戻せません。"
        "Discord 上のメッセージは残ります。"
    )
    forget_label, keep_label = "削除する", "やめる"
    nothing_forgotten = "何も削除しませんでした。"

    # --- documents ---
    nothing_found = "閲覧できる文書の中には見つかりませんでした。"
    no_documents = "Discord で閲覧できる文書はありません。"

    # --- administration ---
    status_title = "**Kura の状態**"
    no_questions = "Discord での質問はまだありません。"

    def in_time(self, seconds: float) -> str:
        return f"{self.duration(seconds)}後に"

    def duration(self, seconds: float) -> str:
        whole = max(1, math.ceil(seconds))
        return f"{whole}秒" if whole <= 90 else f"{math.ceil(whole / 60)}分"

    def queued(self, position: int, seconds: float) -> str:
        ahead = "次がこの質問の番です" if position <= 1 else f"この質問の前に{position - 1}件あります"
        return f"🕐 {ahead}（あと約{self.duration(seconds)}）…"

    def moved_here(self, question: str) -> str:
        return f"質問: {safe(short(question))}"

    def wait(self, seconds: float) -> str:
        return f"質問が続いています。恐れ入りますが、{self.in_time(seconds)}もう一度質問してください。"

    def channel_wait(self, seconds: float) -> str:
        return (
            f"このチャンネルは質問が混み合っています。恐れ入りますが、{self.in_time(seconds)}もう一度質問してください。"
        )

    def guild_not_set_up(self, guild: int) -> str:
        return (
            "このサーバーでは、まだ Kura の設定が済んでいません。Kura の運用担当者が "
            f"`kura.toml` の `[discord]` の `guilds` にこのサーバーの ID `{guild}` を加え、Kura を再起動すると使えます。"
        )

    def channel_not_allowed(self, channels: Sequence[int]) -> str:
        return f"Kura はこのチャンネルではお答えしていません。{'、'.join(links(channels))} で質問してください。"

    def missing_permission(self, permissions: Sequence[str], channel: int) -> str:
        named = "".join(f"「{self.permission(one)}」" for one in permissions)
        return f"<#{channel}> で Kura に{named}の権限がありません。サーバーの管理者に権限の付与を依頼してください。"

    def permission(self, name: str) -> str:
        return PERMISSIONS.get(name) or super().permission(name)

    def forgot(self, answers: int) -> str:
        return f"{answers:,}件の回答を削除しました。" if answers else "削除するものはありませんでした。"

    def fault(self, explained: Explained) -> str:
        """The sentences of faults are English; what matters to the asker is said in Japanese, by the kind of fault."""
        if explained.retry_after_s is not None:
            return f"ただいま混み合っています。恐れ入りますが、{self.in_time(explained.retry_after_s)}もう一度質問してください。"
        kinds = {
            404: "見つかりませんでした。削除されたか、閲覧できない可能性があります。",
            422: f"このままでは受け付けられません。({safe(explained.public)})",
            503: "ただいま回答できません。しばらくしてから、もう一度お試しください。原因は Kura のログに記録されています。",
            507: "ディスクの空きがないため、処理できませんでした。Kura の運用担当者に連絡してください。",
        }
        return kinds.get(explained.status, "Kura の内部で問題が起きました。原因は Kura のログに記録されています。")

    def page(self, page: int) -> str:
        return f"{page}ページ"

    def table_in_file(self, name: str) -> str:
        return f"*（表はファイル {safe(name)} をご覧ください）*"

    def found(self, query: str, hits: int) -> str:
        return f"「{safe(short(query))}」の検索結果: **{hits:,}件**"

    def not_a_source(self, name: str) -> str:
        return f"閲覧できる文書元に「{safe(short(name))}」はありません。一覧は `/sources` で確認できます。"

    def source(self, view: SourceView) -> str:
        read = when(view.synced_at)
        return f"**{safe(view.name)}** · {view.documents:,}件の文書 · " + (
            f"最終読み込み: {read}" if read else "未読み込み"
        )

    def ingest(self, job: JobView) -> str:
        headline = {
            "queued": "🕐 ほかの読み込みが終わるのを待っています…",
            "running": "🔄 文書を読み込んでいます…",
            "done": "✅ すべて最新の状態になりました。",
            "failed": "❌ 読み込みに失敗しました。",
            "interrupted": "⏹️ 読み込みが中断されました。もう一度実行してください。",
        }[job.state]
        lines = [
            f"**{safe(name)}** · {total:,}件中{done:,}件"
            + (f"（{failed:,}件は読み込めませんでした）" if failed else "")
            for name, done, total, failed in job.sources
        ]
        return "\n".join([headline, *lines, *([safe(job.fault)] if job.fault else [])])

    def statistics(self, figures: Statistics) -> str:
        return "\n".join(
            [
                f"**Discord での Kura（直近{figures.days:,}日間）**",
                f"質問: {figures.questions:,}件（{figures.people:,}人）",
                f"文書に答えがなかった質問: {figures.refused:,}件",
                f"👍 {figures.up:,}件 · 👎 {figures.down:,}件",
            ]
        )

    def recall(self, titles: Sequence[str]) -> str:
        if not titles:
            return "🔁 **この回答の出典のうち、現在は利用できないものがあります。** 現在の回答は次のとおりです。"
        named = "".join(f"「{safe(short(title, 80))}」" for title in titles[:5])
        return f"🔁 **この回答の出典が変更されました:** {named} 現在の回答は次のとおりです。"

    def recall_direct(self, question: str, titles: Sequence[str]) -> str:
        return f"{self.moved_here(question)}\n{self.recall(titles)}"

    def help(self, *, conversations: bool) -> str:
        on = (
            "そのスレッドでは、質問した方と、その方がメンションした方は、メンションなしで続けて質問できます。"
            if conversations
            else "そのスレッドでは、質問のたびにメンションしてください。"
        )
        return "\n".join(
            [
                "**Kura は社内文書をもとに質問に答え、答えの出典を示します。**",
                "• `/ask` – 質問します。`private`: 回答はあなただけに表示 · `source`: 選んだ文書元だけを検索",
                f"• メンションして質問 – スレッドを作って答えます。{on}",
                "• ダイレクトメッセージ – 回答はあなただけに表示されます",
                "• メッセージのメニュー › アプリ › *Kura に質問する*",
                "• `/search` – 回答の代わりに該当箇所を表示 · `/sources` – 読み込んでいる文書元",
                "• `/forget` – あなたの質問と回答を削除",
                "• 回答の下の 👍 👎 で役に立ったかどうかを伝えられます。*出典* を押すと引用を表示します",
                "-# チャンネルでの回答には、そのチャンネルを見られる全員が閲覧できる文書だけを使います。",
            ]
        )


PERMISSIONS = {
    "view_channel": "チャンネルを見る",
    "send_messages": "メッセージを送信",
    "send_messages_in_threads": "スレッドと投稿でメッセージを送信",
    "create_public_threads": "公開スレッドの作成",
    "read_message_history": "メッセージ履歴を読む",
    "attach_files": "ファイルを添付",
    "add_reactions": "リアクションの追加",
    "embed_links": "埋め込みリンク",
}
"""Discord's own names in its Japanese settings, by discord.py's."""
